"""Goldens of the samplers, in every option that parity knows.
usage: samplers.py OUT PREDICT1 DIFFUSERS, the last two being checkouts of cosmos-predict1 and diffusers."""
import json, os, sys, types
import numpy as np, torch
from safetensors.torch import save_file

out, predict1, diffusers = sys.argv[1:4]

def module(name, path=None, **members):
    m = types.ModuleType(name)
    m.__dict__.update(members)
    m.__path__ = [path] if path else []
    sys.modules[name] = m

# Neither package is imported whole: what surrounds the samplers needs more than is here.
sys.path.insert(0, predict1)
module("cosmos_predict1", predict1 + "/cosmos_predict1")
module("cosmos_predict1.utils", predict1 + "/cosmos_predict1/utils")
module("cosmos_predict1.utils.config", make_freezable=lambda c: c)
module("cosmos_predict1.diffusion", predict1 + "/cosmos_predict1/diffusion")
from cosmos_predict1.diffusion.modules.res_sampler import Sampler

class Config(dict):
    __getattr__ = dict.__getitem__

def register(init):
    import functools, inspect
    @functools.wraps(init)
    def wrapped(self, **given):
        names = {k: p.default for k, p in inspect.signature(init).parameters.items() if k != "self"}
        self.config = Config({**names, **given})
        init(self, **given)
    return wrapped

root = diffusers + "/src/diffusers"
module("diffusers", root)
module("diffusers.schedulers", root + "/schedulers")
module("diffusers.configuration_utils", ConfigMixin=type("ConfigMixin", (), {}), register_to_config=register)
module("diffusers.utils", BaseOutput=dict, deprecate=lambda *a, **k: None, is_scipy_available=lambda: True, logging=types.SimpleNamespace(get_logger=lambda *a: None))
module("diffusers.utils.torch_utils", randn_tensor=None)
class Output:
    def __init__(self, prev_sample): self.prev_sample = prev_sample
module("diffusers.schedulers.scheduling_utils", KarrasDiffusionSchedulers=[], SchedulerMixin=type("SchedulerMixin", (), {}), SchedulerOutput=Output)
from diffusers.schedulers.scheduling_edm_euler import EDMEulerScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

def x0(x, s):
    s = s.reshape(-1, *[1] * (x.ndim - 1)) if s.ndim else s
    return x * 0.25 / (s**2 + 0.25) + 0.1 * torch.sin(3 * x) * s / (1 + s)

def res(noise, steps, low, high, rho, o):
    y = Sampler()(x0, noise * high, num_steps=steps, sigma_min=low, sigma_max=high, rho=rho, solver_option=o["solver"])
    from cosmos_predict1.diffusion.modules.res_sampler import get_rev_ts
    return y, get_rev_ts(low, high, steps // (1 if o["solver"] == "2ab" else int(o["solver"][0])), rho)

def euler(noise, steps, low, high, rho, o):
    s = EDMEulerScheduler(sigma_min=low, sigma_max=high, rho=rho, **o)
    s.set_timesteps(steps)
    x = noise * s.sigmas[0]
    for i, t in enumerate(s.timesteps):
        s.is_scale_input_called = True
        s._step_index = i
        x = s.step(x, t, x, return_dict=False, pred_original_sample=x0(x, s.sigmas[i]))[0]
    return x, s.sigmas

def unipc(noise, steps, low, high, rho, o):
    s = UniPCMultistepScheduler(sigma_min=low, sigma_max=high, prediction_type="flow_prediction", use_flow_sigmas=True, **o)
    s.set_timesteps(steps)
    s.set_begin_index(0)
    x = noise
    for i, t in enumerate(s.timesteps):
        x = s.step((x - x0(x, s.sigmas[i])) / s.sigmas[i], t, x).prev_sample
    return x, s.sigmas

R = lambda solver, steps=12, low=0.002, high=80, rho=7, seed=3: ("ResSampler", res, dict(solver=solver), steps, low, high, rho, seed)
E = lambda steps=9, low=0.01, high=40, rho=5, seed=4, **o: ("EDMEulerScheduler", euler, o, steps, low, high, rho, seed)
U = lambda steps=11, low=0.02, high=150, seed=5, **o: ("UniPCMultistepScheduler", unipc, o, steps, low, high, 7, seed)
cases = {
    "res-2ab": R("2ab", 7, 0.02, 30, 5), "res-1euler": R("1euler"), "res-2mid": R("2mid"), "res-2mid-stable": R("2mid_stable", 13), "res-2heun-edm": R("2heun_edm"),
    "res-2heun-naive": R("2heun_naive", 40), "res-3kutta-naive": R("3kutta_naive", 61),
    "euler-zero": E(final_sigmas_type="zero"), "euler-exponential": E(sigma_schedule="exponential", final_sigmas_type="sigma_min"),
    "unipc-1": U(solver_order=1, use_karras_sigmas=True), "unipc-3": U(solver_order=3, use_karras_sigmas=True), "unipc-bh1": U(solver_type="bh1", use_karras_sigmas=True, final_sigmas_type="sigma_min"),
    "unipc-flow": U(use_karras_sigmas=False, flow_shift=5.0), "unipc-terminal": U(use_karras_sigmas=False, flow_shift=3.0, shift_terminal=0.1, solver_order=3),
    "unipc-sigma-min": U(use_karras_sigmas=True, final_sigmas_type="sigma_min", lower_order_final=False), "unipc-uncorrected": U(use_karras_sigmas=True, disable_corrector=[0, 1, 4]),
}
for name, (cls, run, options, steps, low, high, rho, seed) in cases.items():
    noise = torch.from_numpy(np.random.RandomState(seed).standard_normal((1, 2, 2, 3, 2)).astype(np.float32))
    y, sigmas = run(noise, steps, low, high, rho, options)
    assert torch.isfinite(y).all(), name
    folder = os.path.join(out, "sampler-" + name)
    os.makedirs(folder, exist_ok=True)
    json.dump(dict(_class_name=cls, seed=seed, num_steps=steps, sigma_min=low, sigma_max=high, rho=rho, **options, denoiser="x0(x, s) = x*0.25/(s^2+0.25) + 0.1*sin(3x)*s/(1+s)"), open(folder + "/config.json", "w"), indent=1)
    save_file({"noise": noise, "sigmas": sigmas.double(), "output": y.contiguous()}, folder + "/golden.safetensors")
    print(name, y.abs().max().item())
