import * as T from "../../dist/tensor/index.js";
import * as N from "../../dist/nn/index.js";
import * as ort from "onnxruntime-node";
import { ortRuntime } from "../../dist/tensor/runtime/ort.js";
import { adamw, defaultAdamW } from "../../dist/training/optimizer.js";
const [D,H,L,B,NT,S,A]=[384,6,6,2,512,64,256];
const {add,mul,silu,chunk,reshape,standardize,transpose,gelu,input,unsqueeze}=T;
const lin=(p,x,o)=>N.linear(p,x,o,{bias:false});
const ada=(p,x,e,t)=>{const m=add(lin(p.in("l2"),lin(p.in("l1"),silu(e),A),3*D),t);const [sh,sc,g]=chunk(m,3,-1).map(z=>unsqueeze(z,1));return [add(mul(standardize(x,1e-6),add(sc,1)),sh),g]};
const attn=(p,x,c,rope)=>{const split=z=>transpose(reshape(z,[z.shape[0],z.shape[1],H,D/H]),[0,2,1,3]);
 let q=split(lin(p.in("q"),x,D)),k=split(lin(p.in("k"),c,D)),v=split(lin(p.in("v"),c,D));
 q=N.rmsNorm(p.in("nq"),q);k=N.rmsNorm(p.in("nk"),k);
 if(rope){q=T.rotary(q,...rope);k=T.rotary(k,...rope)}
 const o=N.attention(q,k,v); return lin(p.in("o"),reshape(transpose(o,[0,2,1,3]),[o.shape[0],o.shape[2],D]),D)};
export function net(p,x,c,e,t,rope){ x=lin(p.in("i"),x,D);
 for(let i=0;i<L;i++){const b=p.in("b"+i); let h,g;
  [h,g]=ada(b.in("a1"),x,e,t); x=add(x,mul(g,attn(b.in("sa"),h,h,rope)));
  [h,g]=ada(b.in("a2"),x,e,t); x=add(x,mul(g,attn(b.in("ca"),h,c)));
  [h,g]=ada(b.in("a3"),x,e,t); x=add(x,mul(g,lin(b.in("f2"),gelu(lin(b.in("f1"),h,4*D)),D)));}
 return lin(p.in("out"),standardize(x,1e-5),64)}
const rnd=(n,s=1)=>{const a=new Float32Array(n);let z=12345;for(let i=0;i<n;i++){z=(Math.imul(z,1664525)+1013904223)>>>0;a[i]=(z/2**32-.5)*2*s}return a};
const h=(shape,s)=>({dtype:"float32",shape,data:rnd(shape.reduce((a,b)=>a*b,1),s)});
const P=N.parameters(); const x=input("x",[B,NT,64]),c=input("c",[B,S,512]),e=input("e",[B,D]),t=input("t",[B,3*D]),y=input("y",[B,NT,64]);
const ang=rnd(NT*D/H,3); const rope=T.rotaryTables(Float64Array.from(ang.slice(0,NT*D/H/2)),NT);
const o=net(P.root,x,c,e,t,rope); const d=T.sub(o,y); const loss=T.mean(mul(d,d));
const feeds={x:h([B,NT,64]),c:h([B,S,512]),e:h([B,D]),t:h([B,3*D]),y:h([B,NT,64])};
const rt=ortRuntime(ort,{device:"cpu",threads:2,provider:"cpu",preallocate:true});
const mode=process.argv[2]??"both"; 
const time=async(name,n,f)=>{const ts=[];for(let i=0;i<n;i++){const a=performance.now();await f();ts.push(performance.now()-a)}ts.sort((a,b)=>a-b);console.log(name,"min",ts[0].toFixed(1),"median",ts[n>>1].toFixed(1))};
const all=[...P.all.values()]; const init=new Map(all.map(p=>[p.name,p.init.kind==="ones"?new Float32Array(p.tensor.shape.reduce((a,b)=>a*b,1)).fill(1):rnd(p.tensor.shape.reduce((a,b)=>a*b,1),1/Math.sqrt(p.shape.at(-1)))]));
if(mode!=="inf"){
 const t0=performance.now(); const gs=T.grad(loss,all.map(p=>p.tensor)); const up=adamw(all,gs,{...defaultAdamW,emaDecay:process.env.EMA?0.99:null});
 const outputs={loss,norm:up.gradNorm}; for(const s of up.state) outputs["n/"+s.name]=s.next; const t1=performance.now();
 const prog=T.compile({outputs,succeeds:Object.fromEntries(up.state.map(s=>["n/"+s.name,s.name])),rewrite:!process.env.NOREWRITE}); const t2=performance.now(); console.log("inplace",Object.keys(prog.inPlace).length,up.state.length);
 const ex=await rt.load(prog,{state:up.state.map(s=>({input:s.name,output:"n/"+s.name,initial:s.start==="zeros"?new Float32Array(T.size(s.shape)):Float32Array.from(s.parts.flatMap(q=>[...init.get(q.parameter.name)]))}))}); const t3=performance.now();
 console.log("trace",(t1-t0).toFixed(0),"compile",(t2-t1).toFixed(0),"load",(t3-t2).toFixed(0),"bytes",prog.model.length);
 if(process.env.DUMP) (await import("fs")).writeFileSync(process.env.DUMP,prog.model);
 const sc={"opt.decay":.999,"opt.rate":1e-4,"opt.eps":1e-8,...(process.env.EMA?{"opt.ema":0.01}:{})}; for(const k in sc) feeds[k]={dtype:"float32",shape:[],data:Float32Array.of(sc[k])};
 await time("step",8,async()=>{const r=await ex.run(feeds); globalThis.l=r.loss.data[0]}); console.log("loss",l);
 await ex.release();
}
if(mode!=="step"){ const prog=T.compile({outputs:{o},weights:init}); const ex=await rt.load(prog); await time("inf",12,()=>ex.run(feeds)); }
console.log("peak MB",process.resourceUsage().maxRSS/1024);
