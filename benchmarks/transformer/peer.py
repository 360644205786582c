import torch, time, sys
import torch.nn as nn, torch.nn.functional as F
torch.set_num_threads(2); torch.manual_seed(0)
D,H,L,B,N,S,A=384,6,6,2,512,64,256
class Ada(nn.Module):
    def __init__(s): super().__init__(); s.l1=nn.Linear(D,A,bias=False); s.l2=nn.Linear(A,3*D,bias=False)
    def forward(s,x,e,t): 
        m=s.l2(s.l1(F.silu(e)))+t
        sh,sc,g=m.chunk(3,-1)
        return F.layer_norm(x,(D,),eps=1e-6)*(1+sc[:,None])+sh[:,None],g[:,None]
class Attn(nn.Module):
    def __init__(s,kd): super().__init__(); s.q=nn.Linear(D,D,bias=False); s.k=nn.Linear(kd,D,bias=False); s.v=nn.Linear(kd,D,bias=False); s.o=nn.Linear(D,D,bias=False); s.nq=nn.RMSNorm(D//H,eps=1e-6); s.nk=nn.RMSNorm(D//H,eps=1e-6)
    def forward(s,x,c,rope=None):
        q,k,v=[m(y).unflatten(2,(H,-1)).transpose(1,2) for m,y in ((s.q,x),(s.k,c),(s.v,c))]
        q=s.nq(q);k=s.nk(k)
        if rope is not None:
            cos,sin=rope
            def r(z):
                a,b=z.chunk(2,-1); return z*cos+torch.cat([-b,a],-1)*sin
            q,k=r(q),r(k)
        return s.o(F.scaled_dot_product_attention(q,k,v).transpose(1,2).flatten(2))
class Block(nn.Module):
    def __init__(s): super().__init__(); s.a1=Ada();s.a2=Ada();s.a3=Ada();s.sa=Attn(D);s.ca=Attn(512);s.f1=nn.Linear(D,4*D,bias=False);s.f2=nn.Linear(4*D,D,bias=False)
    def forward(s,x,c,e,t,rope):
        h,g=s.a1(x,e,t); x=x+g*s.sa(h,h,rope)
        h,g=s.a2(x,e,t); x=x+g*s.ca(h,c)
        h,g=s.a3(x,e,t); x=x+g*s.f2(F.gelu(s.f1(h)))
        return x
class Net(nn.Module):
    def __init__(s): super().__init__(); s.i=nn.Linear(64,D,bias=False); s.bl=nn.ModuleList([Block() for _ in range(L)]); s.o=nn.Linear(D,64,bias=False)
    def forward(s,x,c,e,t,rope):
        x=s.i(x)
        for b in s.bl: x=b(x,c,e,t,rope)
        return s.o(F.layer_norm(x,(D,)))
net=Net(); print("params",sum(p.numel() for p in net.parameters()))
opt=torch.optim.AdamW(net.parameters(),lr=1e-4)
x=torch.randn(B,N,64);c=torch.randn(B,S,512);e=torch.randn(B,D);t=torch.randn(B,3*D);y=torch.randn(B,N,64)
ang=torch.randn(N,D//H); rope=(ang.cos(),ang.sin())
ema=[p.detach().clone() for p in net.parameters()]
def step():
    opt.zero_grad(); l=((net(x,c,e,t,rope)-y)**2).mean(); l.backward(); nn.utils.clip_grad_norm_(net.parameters(),1.0); opt.step(); return l
def inf():
    with torch.no_grad(): return net(x,c,e,t,rope)
if __name__=="__main__":
    for f,n in ((step,8),(inf,12)):
        ts=[]
        for i in range(n):
            a=time.perf_counter(); f(); ts.append(time.perf_counter()-a)
        ts.sort(); print(f.__name__,"min %.1f ms median %.1f ms"%(ts[0]*1e3,ts[len(ts)//2]*1e3))
    import resource; print("peak MB",resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024)
