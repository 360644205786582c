"""What the PyTorch peers share: timing as in bench.mjs, and the reference networks from checkouts.
COSMOS_PREDICT1 and DIFFUSERS name checkouts of those repositories; of each only the files of one network are loaded, with
stand-ins for what they import besides."""
import functools, inspect, json, os, resource, sys, time, types
import torch
from safetensors.torch import load_file, save_file

folder = sys.argv[1] if len(sys.argv) > 1 else "/tmp/orrery-benchmark"
torch.set_num_threads(int(os.environ.get("THREADS", 2)))

def timed(name, runs, f, warmup=3):
    for _ in range(min(warmup, int(os.environ.get("RUNS", warmup)))): f()
    ms, cpu = [], []
    for _ in range(int(os.environ.get("RUNS", runs))):
        start, used = time.perf_counter(), time.process_time(); f()
        ms.append((time.perf_counter() - start) * 1e3); cpu.append((time.process_time() - used) * 1e3)
    print(json.dumps({"name": name, "ms": ms, "cpu": cpu}))

def peak(): print(json.dumps({"name": "peak memory MB", "value": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))

def load(file): return load_file(os.path.join(folder, file))
def leave(file, **tensors): save_file({k: v.detach().contiguous() for k, v in tensors.items()}, os.path.join(folder, file))

def module(name, path=None, **members):
    m = types.ModuleType(name); m.__dict__.update(members); m.__path__ = [path] if path else []; sys.modules[name] = m
    return m

class Config(dict):
    def __getattr__(self, key):
        if key in self: return self[key]
        raise AttributeError(key)

def register(init):
    @functools.wraps(init)
    def wrapped(self, *args, **given):
        object.__setattr__(self, "config", Config({**{k: p.default for k, p in inspect.signature(init).parameters.items() if k != "self"}, **given}))
        init(self, *args, **given)
    return wrapped

def diffusers_stand_ins():
    root = os.environ["DIFFUSERS"] + "/src/diffusers"
    for name in ["", "models", "models/autoencoders", "models/transformers"]: module(("diffusers/" + name).strip("/").replace("/", "."), root + "/" + name)
    keep = lambda *a, **k: (lambda f: f)
    log = types.SimpleNamespace(get_logger=lambda *a: None)
    module("diffusers.configuration_utils", ConfigMixin=type("ConfigMixin", (), {}), register_to_config=register)
    module("diffusers.utils", get_logger=lambda *a: None, logging=log, is_torchvision_available=lambda: True, apply_lora_scale=keep)
    module("diffusers.utils.accelerate_utils", apply_forward_hook=lambda f: f)
    module("diffusers.loaders", FromOriginalModelMixin=type("A", (), {}), PeftAdapterMixin=type("B", (), {}))
    module("diffusers.models.modeling_utils", ModelMixin=torch.nn.Module)
    return root

def tokenizer():
    diffusers_stand_ins()
    module("diffusers.models.modeling_outputs", AutoencoderKLOutput=lambda latent_dist: types.SimpleNamespace(latent_dist=latent_dist))
    module("diffusers.models.autoencoders.vae", AutoencoderMixin=type("M", (), {}), DecoderOutput=lambda sample: types.SimpleNamespace(sample=sample), IdentityDistribution=lambda h: types.SimpleNamespace(mode=lambda: h))
    from diffusers.models.autoencoders.autoencoder_kl_cosmos import AutoencoderKLCosmos
    return AutoencoderKLCosmos

def diffusion_transformer():
    diffusers_stand_ins()
    nn, F = torch.nn, torch.nn.functional
    module("diffusers.models.modeling_outputs", Transformer2DModelOutput=type("T", (), {}))
    tv = module("torchvision", "-"); tv.transforms = module("torchvision.transforms", "-", InterpolationMode=types.SimpleNamespace(NEAREST="nearest"))
    tv.transforms.functional = module("torchvision.transforms.functional", resize=lambda x, size, interpolation=None: F.interpolate(x, size=list(size), mode="nearest"))
    module("diffusers.models.attention_dispatch", dispatch_attention_fn=lambda q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False: F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=attn_mask).transpose(1, 2))
    class Attention(nn.Module):
        def __init__(self, query_dim, cross_attention_dim=None, heads=8, dim_head=64, qk_norm=None, elementwise_affine=True, out_bias=True, processor=None):
            super().__init__(); inner = heads * dim_head; self.heads, self.processor = heads, processor
            self.norm_q, self.norm_k = nn.RMSNorm(dim_head, eps=1e-5), nn.RMSNorm(dim_head, eps=1e-5)
            self.to_q = nn.Linear(query_dim, inner, bias=False)
            self.to_k, self.to_v = (nn.Linear(cross_attention_dim or query_dim, inner, bias=False) for _ in range(2))
            self.to_out = nn.ModuleList([nn.Linear(inner, query_dim, bias=out_bias), nn.Dropout(0.0)])
        def forward(self, hidden_states, encoder_hidden_states=None, attention_mask=None, **more): return self.processor(self, hidden_states, encoder_hidden_states=encoder_hidden_states, attention_mask=attention_mask, **more)
    class GELU(nn.Module):
        def __init__(self, a, b, bias): super().__init__(); self.proj = nn.Linear(a, b, bias=bias)
        def forward(self, x): return F.gelu(self.proj(x))
    class FeedForward(nn.Module):
        def __init__(self, dim, mult=4, activation_fn="gelu", bias=True):
            super().__init__(); self.net = nn.ModuleList([GELU(dim, int(dim * mult), bias), nn.Dropout(0.0), nn.Linear(int(dim * mult), dim, bias=bias)])
        def forward(self, x):
            for m in self.net: x = m(x)
            return x
    module("diffusers.models.attention", FeedForward=FeedForward); module("diffusers.models.attention_processor", Attention=Attention)
    class Timesteps(nn.Module):
        def __init__(self, width, flip_sin_to_cos, downscale_freq_shift): super().__init__(); self.width = width
        def forward(self, t):
            half = self.width // 2
            angles = t[:, None].float() * torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(half) / half)[None]
            return torch.cat([angles.cos(), angles.sin()], -1)
    def apply_rotary_emb(x, tables, **more):
        a, b = x.reshape(*x.shape[:-1], 2, -1).unbind(-2)
        return x * tables[0][None, None] + torch.cat([-b, a], -1) * tables[1][None, None]
    module("diffusers.models.embeddings", Timesteps=Timesteps, apply_rotary_emb=apply_rotary_emb)
    module("diffusers.models.normalization", RMSNorm=lambda dim, eps, elementwise_affine=True: nn.RMSNorm(dim, eps=eps))
    from diffusers.models.transformers.transformer_cosmos import CosmosTransformer3DModel
    return CosmosTransformer3DModel

def autoregressive():
    root = os.environ["COSMOS_PREDICT1"]
    package = root + "/cosmos_predict1/autoregressive"
    nothing = lambda *names: {n: None for n in names}
    module("cosmos_predict1", root + "/cosmos_predict1"); module("megatron", "-"); module("megatron.core", "-", **nothing("parallel_state", "ModelParallelConfig"))
    log = module("cosmos_predict1.utils.log", debug=print); module("cosmos_predict1.utils", log=log); sys.modules["cosmos_predict1.utils.log"] = log
    for name in ["", "/modules", "/networks", "/utils"]: module("cosmos_predict1.autoregressive" + name.replace("/", "."), package + name)
    module("cosmos_predict1.autoregressive.modules.linear", **nothing("ColumnParallelLinear", "RowParallelLinear", "VocabParallelEmbedding"))
    module("cosmos_predict1.autoregressive.modules.mm_projector", MultimodalProjector=None)
    module("cosmos_predict1.autoregressive.utils.checkpoint", process_state_dict=lambda s: s, substrings_to_ignore=[])
    module("cosmos_predict1.autoregressive.utils.misc", maybe_convert_to_namespace=lambda p: p)
    module("cosmos_predict1.autoregressive.utils.parallel", **nothing("broadcast", "get_process_group_ranks", "all_gather_tensor", "reduce_scatter_tensor", "get_batch_on_this_cp_rank", "_reduce_from_tensor_model_parallel_region"))
    torch.Tensor.cuda = lambda self, *a, **k: self
    for name in ["modules/embedding", "modules/mlp", "modules/normalization", "modules/attention", "networks/transformer"]:
        source = open(f"{package}/{name}.py").read().replace('device="cuda"', 'device="cpu"').replace("torch.cuda.current_device()", '"cpu"')
        m = module("cosmos_predict1.autoregressive." + name.replace("/", ".")); exec(compile(source, name, "exec"), m.__dict__)
    return lambda config: m.Transformer(Config(config), init_weights=False).eval()
