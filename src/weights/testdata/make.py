"""Writes the PyTorch files of this folder. Run once with PyTorch 2.x: python make.py. The tests say what must come out."""
import collections
import io
import zipfile
from pathlib import Path

import torch

here = Path(__file__).parent
base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
state = collections.OrderedDict()
state["module.f32"] = base
state["module.transposed"] = base.t()
state["module.column"] = base[:, 1]
state["module.expanded"] = torch.tensor([7.0]).expand(2, 3)
state["module.bf16"] = torch.tensor([1.5, -2.25, float("inf")], dtype=torch.bfloat16)
state["module.f16"] = torch.tensor([0.5, 2.0**-24, 65504.0], dtype=torch.float16)
state["module.i64"] = torch.tensor([2**40, -1])
state["module.bool"] = torch.tensor([True, False])
state["module.fp8"] = torch.tensor([1.0, -448.0]).to(torch.float8_e4m3fn)
state["module.u32"] = torch.tensor([4294967295], dtype=torch.uint32)
state["module.parameter"] = torch.nn.Parameter(torch.tensor([3.0]))
state["module.scalar"] = torch.tensor(4.0)
state["module.empty"] = torch.zeros(0, 3)
state["module.__proto__"] = torch.tensor([9.0])
state["module.layer._extra_state"] = io.BytesIO(b"abc")
state._metadata = {"": {"version": 1}}
torch.save({"epoch": 3, "optimizer": {"lr": 1e-3, "big": 2**70}, "state_dict": state}, here / "training.pt")
torch.save({"model": {"a": base[1:]}, "ema": {"a": base}, "shape": torch.Size([1]), "kind": torch.float32}, here / "protocol4.pt", pickle_protocol=4)
torch.save(collections.OrderedDict(w=base.t(), b=torch.tensor([1, 2], dtype=torch.int16)), here / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(collections.OrderedDict(w=base.t(), b=torch.tensor([1, 2], dtype=torch.int16)), here / "legacy4.pth", _use_new_zipfile_serialization=False, pickle_protocol=4)
torch.save((base[0], base[1]), here / "mean_std.pt")
torch.save({"a": base.to_sparse()}, here / "sparse.pt")


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 1)
        torch.nn.init.constant_(self.conv.weight, 0.5)
        torch.nn.init.constant_(self.conv.bias, -0.25)

    def forward(self, x):
        return self.conv(x)


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("_arange", torch.arange(2))
        self.down = torch.nn.ModuleList([Inner()])
        self.sizes = [1, 2]

    def forward(self, x):
        for d in self.down:
            x = d(x)
        return x * self.sizes[0]


torch.jit.script(Outer()).save(str(here / "module.jit"))
torch.jit.freeze(torch.jit.script(Outer().eval())).save(str(here / "frozen.jit"))

# A checkpoint that somebody unpacked and packed again with compression.
zeros = torch.zeros(2048)
tail = torch.tensor([0.0, 0.0, 5.0])
plain = io.BytesIO()
torch.save({"zeros": zeros, "tail": tail}, plain)
with zipfile.ZipFile(plain) as source, zipfile.ZipFile(here / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as target:
    for name in source.namelist():
        info = zipfile.ZipInfo("deflated/" + name.split("/", 1)[1])
        target.writestr(info, source.read(name), zipfile.ZIP_DEFLATED)
