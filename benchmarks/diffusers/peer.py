"""Opens the folder that orrery.mjs exported with diffusers' classes, every weight by its name, and answers the same inputs."""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import *
exported = os.path.join(folder, "for-diffusers")

def opened(part, make):
    config = {k: v for k, v in json.load(open(os.path.join(exported, part, "config.json"))).items() if not k.startswith("_")}
    net = make(**config).eval()
    net.load_state_dict(load_file(os.path.join(exported, part, "diffusion_pytorch_model.safetensors")), strict=True)
    return net

given = load("diffusers.safetensors")
index = json.load(open(os.path.join(exported, "model_index.json"))); fps = json.load(open(os.path.join(exported, "orrery.json")))["fps"]
assert index["vae"] == ["diffusers", "AutoencoderKLCosmos"] and index["transformer"] == ["diffusers", "CosmosTransformer3DModel"]
vae, net = opened("vae", tokenizer()), opened("transformer", diffusion_transformer())
padding = torch.zeros(1, 1, given["latents"].shape[3], given["latents"].shape[4])
masked = net.config.in_channels == net.config.out_channels + 1
with torch.no_grad():
    encode = lambda: vae.encode(given["pixels"]).latent_dist.mode()
    decode = lambda: vae.decode(given["latents"], return_dict=False)[0]
    sample = lambda: net(given["latents"], given["timestep"], given["text"], fps=fps, condition_mask=given["mask"] if masked else None, padding_mask=padding, return_dict=False)[0]
    timed("encoded, ms", 3, encode, 1); timed("decoded, ms", 3, decode, 1); timed("sample, ms", 3, sample, 1)
    leave("diffusers-peer.safetensors", encoded=encode(), decoded=decode(), sample=sample())
