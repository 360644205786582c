/**
 * GGUF files for tests, written here: a real llama architecture of one layer whose weights are chosen so that each character
 * is followed by a known one. It says "safe" because its matrices do, which is enough to try the whole way through llama.cpp.
 */
const width = 128;
const types = { u32: 4, f32: 6, string: 8, array: 9, i32: 5 } as const;

class Bytes {
  readonly #parts: Buffer[] = [];
  #size = 0;
  get size(): number { return this.#size; }
  add(part: Buffer): this { this.#parts.push(part); this.#size += part.length; return this; }
  u32(n: number): this { const b = Buffer.alloc(4); b.writeUInt32LE(n); return this.add(b); }
  u64(n: number): this { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return this.add(b); }
  f32(n: number): this { const b = Buffer.alloc(4); b.writeFloatLE(n); return this.add(b); }
  text(s: string): this { const b = Buffer.from(s); return this.u64(b.length).add(b); }
  pad(to: number): this { return this.add(Buffer.alloc((to - (this.#size % to)) % to)); }
  all(): Buffer { return Buffer.concat(this.#parts); }
}

/**
 * The bytes of a model that, after any text that ends in the first character of `chain`, continues with the rest of it and
 * then ends. No character may stand in `chain` twice.
 */
export function chainModel(chain: string): Buffer {
  const characters = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).map((c) => (c === " " ? "\u2581" : c));
  const tokens = ["<unk>", "<s>", "</s>", ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`), ...characters];
  const kinds = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1));
  const idOf = (c: string): number => (c === "\n" ? tokens.indexOf("<0x0A>") : tokens.indexOf(c === " " ? "\u2581" : c));

  let state = 1;
  const random = (): number => ((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 31) - 1;
  const embedding = Float32Array.from({ length: tokens.length * width }, random);
  const output = new Float32Array(tokens.length * width);
  const follows = (from: number, to: number): void => { for (let i = 0; i < width; i++) output[to * width + i]! += embedding[from * width + i]!; };
  const ids = [...chain].map(idOf);
  ids.forEach((id, i) => follows(id, ids[i + 1] ?? 2));

  const zeros = new Float32Array(width * width);
  const ones = new Float32Array(width).fill(1);
  const tensors: [name: string, data: Float32Array, shape: number[]][] = [
    ["token_embd.weight", embedding, [width, tokens.length]],
    ["output_norm.weight", ones, [width]],
    ["output.weight", output, [width, tokens.length]],
    ["blk.0.attn_norm.weight", ones, [width]],
    ["blk.0.ffn_norm.weight", ones, [width]],
    ...["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"].map((n): [string, Float32Array, number[]] => [`blk.0.${n}.weight`, zeros, [width, width]]),
  ];

  const head = new Bytes();
  const meta: (() => void)[] = [];
  const string = (k: string, v: string): number => meta.push(() => head.text(k).u32(types.string).text(v));
  const number = (k: string, v: number): number => meta.push(() => head.text(k).u32(types.u32).u32(v));
  const list = (k: string, type: number, count: number, write: (b: Bytes) => void): number => meta.push(() => { head.text(k).u32(types.array).u32(type).u64(count); write(head); });
  string("general.architecture", "llama");
  string("general.name", "chain");
  number("general.file_type", 0);
  for (const [k, v] of [["context_length", 2048], ["embedding_length", width], ["block_count", 1], ["feed_forward_length", width], ["attention.head_count", 4], ["attention.head_count_kv", 4], ["rope.dimension_count", width / 4], ["vocab_size", tokens.length]] as const) number(`llama.${k}`, v);
  meta.push(() => head.text("llama.attention.layer_norm_rms_epsilon").u32(types.f32).f32(1e-5));
  string("tokenizer.ggml.model", "llama");
  list("tokenizer.ggml.tokens", types.string, tokens.length, (b) => tokens.forEach((t) => b.text(t)));
  list("tokenizer.ggml.scores", types.f32, tokens.length, (b) => tokens.forEach(() => b.f32(0)));
  list("tokenizer.ggml.token_type", types.i32, tokens.length, (b) => kinds.forEach((k) => b.u32(k)));
  for (const [k, v] of [["bos", 1], ["eos", 2], ["unknown", 0]] as const) number(`tokenizer.ggml.${k}_token_id`, v);
  string("tokenizer.chat_template", "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}>");

  head.add(Buffer.from("GGUF")).u32(3).u64(tensors.length).u64(meta.length);
  for (const write of meta) write();
  let offset = 0;
  for (const [name, data, shape] of tensors) {
    head.text(name).u32(shape.length);
    for (const n of shape) head.u64(n);
    head.u32(0).u64(offset);
    offset += Math.ceil((data.length * 4) / 32) * 32;
  }
  head.pad(32);
  for (const [, data] of tensors) head.add(Buffer.from(data.buffer, data.byteOffset, data.byteLength)).pad(32);
  return head.all();
}
