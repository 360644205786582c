"""cosmos-predict1's Transformer with its cache and the weights of orrery.mjs."""
import os, sys
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bench import *
weights = load("autoregressive.safetensors"); tokens = weights.pop("tokens")
net = autoregressive()(dict(dim=512, n_layers=8, n_heads=8, n_kv_heads=4, head_dim=None, ffn_hidden_size=1408, norm_type="rmsnorm", norm_eps=1e-5, vocab_size=16000, max_batch_size=1, max_seq_len=640, use_qk_normalization=True, causal_mask=True, tensor_model_parallel_size=1, insert_cross_attn=False, insert_cross_attn_every_k_layers=0, context_dim=None, precision="float32", num_video_frames=33, rope_dim="3D", pytorch_rope_version="v2", video_latent_shape=[5, 8, 16], original_latent_shape=None, original_seq_len=None, rope_theta=500000, apply_yarn=False, yarn_scale=None, yarn_beta_fast=None, yarn_beta_slow=None, pad_to_multiple_of=None, apply_abs_pos_emb=False, fuse_qkv=False))
missing = net.load_state_dict(weights, strict=False).missing_keys
assert not [k for k, _ in net.named_parameters() if k not in weights]
with torch.no_grad():
    n = tokens.shape[1]
    token = net(tokens, input_pos=torch.arange(n))[:, -1].argmax(-1, keepdim=True)
    drawn = []
    def step():
        global token
        token = net(token, input_pos=torch.tensor([n + len(drawn)]))[:, -1].argmax(-1, keepdim=True); drawn.append(token.item())
    timed("one token, ms", 64, step, 4)
print(json.dumps({"name": "checksum of the tokens", "value": sum(t * (i + 1) for i, t in enumerate(drawn)) % 65521}))
peak()
