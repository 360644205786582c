"""Goldens of the tokenizers. Weights, inputs and probes come from numpy's RandomState, so only answers are stored.
usage: generate.py OUT PREDICT1 DIFFUSERS, the last two being checkouts of cosmos-predict1 and diffusers."""
import sys, json, os, types
out,predict1,diffusers=sys.argv[1:4]; sys.path.insert(0,predict1)
import numpy as np, torch
from safetensors.torch import save_file
pkg=types.ModuleType('cosmos_predict1'); pkg.__path__=[predict1+'/cosmos_predict1']; sys.modules['cosmos_predict1']=pkg
t=types.ModuleType('cosmos_predict1.tokenizer'); t.__path__=[predict1+'/cosmos_predict1/tokenizer']; sys.modules['cosmos_predict1.tokenizer']=t
try: import loguru
except ImportError:
    l=types.ModuleType('loguru'); l.logger=types.SimpleNamespace(info=lambda *a,**k:None); sys.modules['loguru']=l
from cosmos_predict1.tokenizer.networks import continuous_image, continuous_video, discrete_image, discrete_video
# diffusers needs packages that are not here: only its one file is loaded, with stand-ins for what it imports.
def mod(name,path=None,**k):
    x=types.ModuleType(name); x.__dict__.update(k); x.__path__=[path] if path else []; sys.modules[name]=x
root=diffusers+'/src/diffusers'
mod('diffusers',root); mod('diffusers.models',root+'/models'); mod('diffusers.models.autoencoders',root+'/models/autoencoders')
mod('diffusers.configuration_utils',ConfigMixin=type('ConfigMixin',(),{}),register_to_config=lambda f:f)
mod('diffusers.utils',get_logger=lambda *a:None); mod('diffusers.utils.accelerate_utils',apply_forward_hook=lambda f:f)
mod('diffusers.models.modeling_outputs',AutoencoderKLOutput=lambda latent_dist:types.SimpleNamespace(latent_dist=latent_dist))
mod('diffusers.models.modeling_utils',ModelMixin=torch.nn.Module)
mod('diffusers.models.autoencoders.vae',AutoencoderMixin=type('M',(),{}),DecoderOutput=lambda sample:types.SimpleNamespace(sample=sample),IdentityDistribution=lambda h:types.SimpleNamespace(mode=lambda:h))
from diffusers.models.autoencoders.autoencoder_kl_cosmos import AutoencoderKLCosmos
torch.set_num_threads(2)
KL=lambda **k: dict(_class_name='AutoencoderKLCosmos',latents_mean=None,latents_std=None,latent_channels=4,**k)
O=lambda cls,**k: dict(_class_name=cls,dropout=0.0,in_channels=3,out_channels=3,**k)
video=dict(num_groups=1,encoder='FACTORIZED',decoder='FACTORIZED')
cases={
 'kl-8x8x8': (KL(encoder_block_out_channels=[8,8,16,16],decode_block_out_channels=[8,16,16,16],num_layers=1,attention_resolutions=[8],resolution=64,patch_size=4,patch_type='haar',spatial_compression_ratio=8,temporal_compression_ratio=8),[1,3,17,16,24]),
 'kl-4x8x8-rearranged': (KL(encoder_block_out_channels=[8,16,16,24],decode_block_out_channels=[8,16,24,24],num_layers=2,attention_resolutions=[16,32],resolution=64,patch_size=2,patch_type='rearrange',spatial_compression_ratio=8,temporal_compression_ratio=4),[2,3,5,16,24]),
 'kl-8x16x16-image': (KL(encoder_block_out_channels=[8,8,16,16],decode_block_out_channels=[8,16,16,16],num_layers=1,attention_resolutions=[32],resolution=1024,patch_size=4,patch_type='haar',spatial_compression_ratio=16,temporal_compression_ratio=8),[2,3,1,32,16]),
 'dv-8x16x16': (O('CausalDiscreteVideoTokenizer',attn_resolutions=[16],channels=8,channels_mult=[1,2,2],num_res_blocks=1,resolution=64,patch_size=4,patch_method='haar',z_channels=8,z_factor=1,legacy_mode=False,spatial_compression=16,temporal_compression=8,quantizer='FSQ',embedding_dim=6,levels=[8,8,8,5,5,5],**video),[1,3,9,32,32]),
 'dv-4x4x4-uneven': (O('CausalDiscreteVideoTokenizer',attn_resolutions=[16],channels=8,channels_mult=[1,2],num_res_blocks=2,resolution=32,patch_size=4,patch_method='rearrange',z_channels=5,z_factor=2,legacy_mode=False,spatial_compression=4,temporal_compression=4,quantizer='FSQ',embedding_dim=4,levels=[7,5,5,4],**video),[2,3,5,8,16]),
 'cv-8x8x8-vae-legacy': (O('CausalContinuousVideoTokenizer',attn_resolutions=[8],channels=8,channels_mult=[1,2,2],num_res_blocks=1,resolution=64,patch_size=2,patch_method='haar',z_channels=8,z_factor=2,latent_channels=4,legacy_mode=True,spatial_compression=8,temporal_compression=8,formulation='VAE',**video),[1,3,17,16,8]),
 'ci-8x8': (O('ContinuousImageTokenizer',attn_resolutions=[16],channels=32,channels_mult=[1,2],num_res_blocks=1,resolution=64,patch_size=2,patch_method='haar',z_channels=6,z_factor=1,latent_channels=4,spatial_compression=8,formulation='AE',encoder='Default',decoder='Default'),[2,3,16,24]),
 'di-8x8': (O('DiscreteImageTokenizer',attn_resolutions=[],channels=32,channels_mult=[1,1,1],num_res_blocks=1,resolution=64,patch_size=4,patch_method='haar',z_channels=8,z_factor=1,quantizer='FSQ',embedding_dim=6,levels=[8,8,8,5,5,5],spatial_compression=8,encoder='Default',decoder='Default'),[1,3,32,16]),
}
classes={'ContinuousImageTokenizer':continuous_image.ContinuousImageTokenizer,'DiscreteImageTokenizer':discrete_image.DiscreteImageTokenizer,'CausalContinuousVideoTokenizer':continuous_video.CausalContinuousVideoTokenizer,'CausalDiscreteVideoTokenizer':discrete_video.CausalDiscreteVideoTokenizer}
def normal(name,shape):
    seed=0
    for b in name.encode(): seed=(seed*31+b)%2**32
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))
for name,(config,shape) in cases.items():
    cls=config['_class_name']
    kw={k:v for k,v in config.items() if k[0]!='_'}
    if cls=='AutoencoderKLCosmos': m=AutoencoderKLCosmos(**kw)
    else: m=classes[cls](**kw,dtype=torch.float32) if 'levels' in kw else classes[cls](**kw)
    params=dict(m.named_parameters())
    with torch.no_grad():
        for k,p in params.items():
            n=normal(k,tuple(p.shape))
            if p.ndim>1: n=n/np.float32(np.sqrt(p[0].numel()))
            else: n=np.float32(0.1)*n+(1 if k.endswith('weight') else 0)
            p.copy_(n)
    # In double precision, so that gradients that are truly zero are zero.
    m.double()
    if 'levels' in kw: m.quantizer.dtype=torch.float64
    x=(normal('input',tuple(shape))*np.float32(0.5)).double()
    g={}
    if cls=='AutoencoderKLCosmos':
        z=m.encode(x).latent_dist.mode(); y=m.decode(z).sample; g['latent']=z
    elif 'levels' in kw:
        indices,z,_=m.encode(x); y=m.decode(z); g['indices']=indices.to(torch.int64); g['codes']=z
        g['output_from_indices']=m.decode_code(indices)
        pre=m.quant_conv(m.encoder(x)); b=m.quantizer.bound(pre.movedim(1,-1)); d=(b-b.round()).abs(); print('closest to a tie',(0.5-d).min().item())
    else:
        mom=m.quant_conv(m.encoder(x)); z=mom.chunk(2,1)[0] if config['formulation']=='VAE' else mom; y=m.decode(z); g['latent']=z
    g['output']=y
    (y*normal('probe',tuple(y.shape)).double()).sum().backward()
    # One number per parameter: the gradient along a random direction, and its norm
    for k,p in sorted(params.items()):
        gr=p.grad if p.grad is not None else torch.zeros_like(p)
        g['grad.'+k]=torch.stack([(gr.double()*normal(k+'!',tuple(p.shape)).double()).sum(),gr.double().norm()])
    d=os.path.join(out,name); os.makedirs(d,exist_ok=True)
    json.dump(config,open(os.path.join(d,'config.json'),'w'))
    save_file({k:(v if k=='indices' else v.detach().float()).contiguous() for k,v in g.items()},os.path.join(d,'golden.safetensors'),metadata={'input_shape':json.dumps(shape)})
    print(name,tuple(z.shape),tuple(y.shape),len(params),y.abs().max().item(), os.path.getsize(os.path.join(d,'golden.safetensors')))
