"""The same network in PyTorch, eager, with the weights of orrery.mjs."""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import *
import torch.nn as nn, torch.nn.functional as F
D, H, L, A = 384, 6, 6, 256

class Ada(nn.Module):
    def __init__(s):
        super().__init__(); s.l1 = nn.Linear(D, A, bias=False); s.l2 = nn.Linear(A, 3 * D, bias=False)
    def forward(s, x, e, t):
        shift, scale, gate = (s.l2(s.l1(F.silu(e))) + t).chunk(3, -1)
        return F.layer_norm(x, (D,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None], gate[:, None]

class Attn(nn.Module):
    def __init__(s, width):
        super().__init__()
        s.q = nn.Linear(D, D, bias=False); s.k = nn.Linear(width, D, bias=False); s.v = nn.Linear(width, D, bias=False); s.o = nn.Linear(D, D, bias=False)
        s.nq = nn.RMSNorm(D // H, eps=1e-6); s.nk = nn.RMSNorm(D // H, eps=1e-6)
    def forward(s, x, c, turn=None):
        q, k, v = [m(y).unflatten(2, (H, -1)).transpose(1, 2) for m, y in ((s.q, x), (s.k, c), (s.v, c))]
        q, k = s.nq(q), s.nk(k)
        if turn is not None:
            def rotate(z):
                a, b = z.chunk(2, -1)
                return z * turn[0] + torch.cat([-b, a], -1) * turn[1]
            q, k = rotate(q), rotate(k)
        return s.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

class Block(nn.Module):
    def __init__(s):
        super().__init__(); s.a1 = Ada(); s.a2 = Ada(); s.a3 = Ada(); s.sa = Attn(D); s.ca = Attn(512)
        s.f1 = nn.Linear(D, 4 * D, bias=False); s.f2 = nn.Linear(4 * D, D, bias=False)
    def forward(s, x, c, e, t, turn):
        h, g = s.a1(x, e, t); x = x + g * s.sa(h, h, turn)
        h, g = s.a2(x, e, t); x = x + g * s.ca(h, c)
        h, g = s.a3(x, e, t); return x + g * s.f2(F.gelu(s.f1(h)))

class Net(nn.Module):
    def __init__(s):
        super().__init__(); s.i = nn.Linear(64, D, bias=False); s.bl = nn.ModuleList(Block() for _ in range(L)); s.o = nn.Linear(D, 64, bias=False)
    def forward(s, x, c, e, t, turn):
        x = s.i(x)
        for b in s.bl: x = b(x, c, e, t, turn)
        return s.o(F.layer_norm(x, (D,)))

weights = load("transformer.safetensors")
feed = {k[5:]: weights.pop(k) for k in list(weights) if k.startswith("feed.")}
net = Net(); net.load_state_dict(weights)
angles = torch.cat([feed["angles"]] * 2, -1); turn = (angles.cos(), angles.sin())
run = lambda: net(feed["x"], feed["context"], feed["condition"], feed["shared"], turn)
def forward():
    with torch.no_grad(): return run()
leave("transformer-peer.safetensors", output=forward())
if os.environ.get("ONLY") != "forward":
    opt = torch.optim.AdamW(net.parameters(), lr=1e-4)
    def step():
        opt.zero_grad(); (run() - feed["target"]).square().mean().backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    timed("AdamW step, ms", 8, step)
    peak()
if os.environ.get("ONLY") != "step": timed("forward, ms", 12, forward)
