"""diffusers' AutoencoderKLCosmos with the weights of orrery.mjs."""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import *
weights = load("tokenizer.safetensors"); x = weights.pop("x")
net = tokenizer()(encoder_block_out_channels=(32, 64, 128, 128), decode_block_out_channels=(64, 128, 128, 128), num_layers=2, latent_channels=16, attention_resolutions=(32,), resolution=1024, patch_size=4, patch_type="haar", spatial_compression_ratio=8, temporal_compression_ratio=8)
net.load_state_dict(weights, strict=False)
assert not [k for k, _ in net.named_parameters() if k not in weights]
run = lambda: net.decode(net.encode(x).latent_dist.mode()).sample
def forward():
    with torch.no_grad(): return run()
if os.environ.get("ONLY") != "train":
    timed("encode and decode, ms", 5, forward, 2)
    leave("tokenizer-peer.safetensors", output=forward())
if os.environ.get("ONLY") != "forward":
    opt = torch.optim.AdamW(net.parameters(), lr=1e-4)
    def step():
        opt.zero_grad(); (run() - x).abs().mean().backward(); torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    timed("training step, ms", 5, step, 2)
peak()
