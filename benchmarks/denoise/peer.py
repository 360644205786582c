"""The same with diffusers' CosmosTransformer3DModel and the weights of orrery.mjs."""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import *
weights = load("denoise.safetensors"); x, text = weights.pop("x"), weights.pop("text")
net = diffusion_transformer()(in_channels=16, out_channels=16, num_attention_heads=6, attention_head_dim=64, num_layers=6, mlp_ratio=4.0, text_embed_dim=512, adaln_lora_dim=256, max_size=(16, 64, 64), extra_pos_embed_type=None, rope_scale=(1.0, 3.0, 3.0))
net.load_state_dict(weights)
sigma, sd = torch.tensor(3.0), 0.5
total = sigma**2 + sd**2
padding = torch.zeros(1, 1, 32, 32)
@torch.no_grad()
def step():
    out = net(x / total.sqrt(), (0.25 * sigma.log()).reshape(1), text, fps=16, padding_mask=padding, return_dict=False)[0]
    return x * (sd**2 / total) + out * (sigma * sd / total.sqrt())
timed("denoising step, ms", 20, step)
leave("denoise-peer.safetensors", x0=step())
peak()
