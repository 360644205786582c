"""Makes testdata/siglip-small: a small randomly initialised SigLIP and the reference's classifier of video frames, saved as the
published checkpoint is, and what transformers and PyTorch answer for pictures that are drawn by a formula.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0 pillow safetensors
    venv/bin/python make.py siglip-small
"""
import sys, json, os, zlib, numpy as np, torch
from PIL import Image
from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipTextConfig
import transformers
try:
    from transformers import SiglipImageProcessorPil as Proc
except ImportError:
    from transformers import SiglipImageProcessor as Proc
import torch.nn as nn
torch.manual_seed(7)
out=sys.argv[1]; os.makedirs(out+'/siglip',exist_ok=True)
v=dict(hidden_size=32,intermediate_size=52,num_hidden_layers=2,num_attention_heads=4,image_size=60,patch_size=14,num_channels=3)
cfg=SiglipConfig(vision_config=v,text_config=dict(hidden_size=32,intermediate_size=16,num_hidden_layers=1,num_attention_heads=4,vocab_size=40,max_position_embeddings=8,projection_size=32))
m=SiglipModel(cfg).eval()
with torch.no_grad():
    for n,p in m.named_parameters():
        if p.dim()>1: p.normal_(0,0.15)
        elif n.endswith('bias'): p.normal_(0,0.1)
        else: p.normal_(1,0.1)
# only the picture encoder is kept, under the whole model's names, as in the published file
from safetensors.torch import save_file
sd={k:t.contiguous() for k,t in m.state_dict().items() if k.startswith('vision_model.')}
save_file(sd,out+'/siglip/model.safetensors',metadata={'format':'pt'})
json.dump({"architectures":["SiglipModel"],"model_type":"siglip","vision_config":{**v,"model_type":"siglip_vision_model"}},open(out+'/siglip/config.json','w'),indent=1)
class SafetyClassifier(nn.Module):
    def __init__(s,i,c):
        super().__init__()
        s.layers=nn.Sequential(nn.Linear(i,512),nn.BatchNorm1d(512),nn.ReLU(),nn.Linear(512,256),nn.BatchNorm1d(256),nn.ReLU(),nn.Linear(256,c))
    def forward(s,x): return s.layers(x)
class Video(nn.Module):
    def __init__(s):
        super().__init__(); s.network=SafetyClassifier(32,7)
h=Video().eval()
with torch.no_grad():
    for mod in h.modules():
        if isinstance(mod,nn.BatchNorm1d):
            mod.running_mean.normal_(0,0.3); mod.running_var.uniform_(0.3,2); mod.weight.normal_(1,0.2); mod.bias.normal_(0,0.2)
        if isinstance(mod,nn.Linear): mod.weight.mul_(3)
h.network.layers[6].bias.data[0]+=1.1
h=h.half().float().eval()
torch.save({"model":{k:(t.half() if t.is_floating_point() else t) for k,t in h.state_dict().items()}},out+"/safety_filter.pt")
def picture(w,hh,k):
    y,x=np.mgrid[0:hh,0:w].astype(np.int64)
    return np.stack([(x*7*k+y*13+(x*y)%31)%256,(x*x+3*y*k)%251,(5*x+y*y*2+17*k)%241],-1).astype(np.uint8)
mean=[0.5]*3
res=[]
proc=Proc(size={'height':60,'width':60},resample=3,rescale_factor=1/255,image_mean=mean,image_std=mean,do_normalize=True,do_resize=True,do_rescale=True)
for (w,hh,k) in [(97,83,1),(60,60,2),(200,40,3),(33,61,4)]:
    inp=proc(images=Image.fromarray(picture(w,hh,k)),return_tensors='pt')
    with torch.no_grad():
        f=m.get_image_features(**inp)
        f=getattr(f,'pooler_output',f)
        f=f/f.norm(dim=-1,keepdim=True)
        p=torch.softmax(h.network(f),-1)[0]
    res.append({"width":w,"height":hh,"k":k,"features":[float('%.7g'%a) for a in f[0,:8]],"probabilities":[float('%.7g'%a) for a in p]})
    print(p)
json.dump({"transformers":transformers.__version__,"torch":torch.__version__,"pictures":res},open(out+'/golden.json','w'),indent=1)
