/**
 * NumPy's `RandomState(seed)`, number for number: the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) and NumPy's
 * frozen "legacy" distributions on top of it. Cosmos draws its initial noise from it, so that a seed means the same video
 * on every machine; here it also starts weights and shuffles data. Arithmetic only: runs in Node and in browsers.
 *
 * Uniform numbers and integers agree to the bit. Gaussians go through `Math.log`, which may differ from the C library's in
 * the last bit.
 */

const LENGTH = 624;
const SHIFT = 397;

/** Where a generator stands: what a checkpoint keeps so that a resumed run draws the numbers it would have drawn. Plain JSON. */
export interface RandomSnapshot {
  key: number[];
  position: number;
  /** The second value of the last Gaussian pair, if it is still to be handed out. */
  spare: number | null;
}

export class RandomState {
  readonly #key = new Uint32Array(LENGTH);
  #position = LENGTH;
  #spare: number | null = null;

  /** `seed` is an integer in 0..2^32-1. */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new RangeError(`a seed is an integer from 0 to 4294967295, not ${seed}`);
    let value = seed >>> 0;
    for (let i = 0; i < LENGTH; i++) {
      this.#key[i] = value;
      value = (Math.imul(1812433253, value ^ (value >>> 30)) + i + 1) >>> 0;
    }
  }

  /** A generator that goes on from `snapshot`. */
  static restore({ key, position, spare }: RandomSnapshot): RandomState {
    if (key.length !== LENGTH || !(position >= 0 && position <= LENGTH)) throw new RangeError("this is not the state of a random generator");
    const random = new RandomState(0);
    random.#key.set(key);
    random.#position = position;
    random.#spare = spare;
    return random;
  }

  snapshot(): RandomSnapshot {
    return { key: [...this.#key], position: this.#position, spare: this.#spare };
  }

  /** The next 32 random bits. */
  uint32(): number {
    if (this.#position === LENGTH) this.#refill();
    let y = this.#key[this.#position++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const key = this.#key;
    for (let i = 0; i < LENGTH; i++) {
      const y = (key[i]! & 0x80000000) | (key[(i + 1) % LENGTH]! & 0x7fffffff);
      key[i] = key[(i + SHIFT) % LENGTH]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#position = 0;
  }

  /** Uniform in [0, 1) with 53 bits: `random_sample()`. */
  random(): number {
    const high = this.uint32() >>> 5;
    return (high * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  /** One standard normal number by Marsaglia's polar method, which makes two at a time. */
  gaussian(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    for (;;) {
      const x = 2 * this.random() - 1;
      const y = 2 * this.random() - 1;
      const r2 = x * x + y * y;
      if (r2 >= 1 || r2 === 0) continue;
      const f = Math.sqrt((-2 * Math.log(r2)) / r2);
      this.#spare = f * x;
      return f * y;
    }
  }

  /** `standard_normal(n)`. */
  standardNormal(n: number): Float64Array {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = this.gaussian();
    return out;
  }

  /** `standard_normal(n).astype(float32)`: what Cosmos calls noise that does not depend on the architecture. */
  standardNormalFloat32(n: number): Float32Array {
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = this.gaussian();
    return out;
  }

  /** An integer in 0..`most`, by drawing as many bits as `most` has until they are not above it. */
  #upTo(most: number): number {
    if (most === 0) return 0;
    const high = Math.floor(most / 2 ** 32);
    const mask = (value: number): number => (value === 0 ? 0 : 0xffffffff >>> Math.clz32(value));
    if (high === 0) {
      for (;;) {
        const value = (this.uint32() & mask(most)) >>> 0;
        if (value <= most) return value;
      }
    }
    for (;;) {
      const top = (this.uint32() & mask(high)) >>> 0;
      const value = top * 2 ** 32 + this.uint32();
      if (value <= most) return value;
    }
  }

  /** An integer in [low, high): `randint(low, high)`. */
  randint(low: number, high: number): number {
    const most = high - 1 - low;
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(most) || most < 0) throw new RangeError(`no integer lies from ${low} to below ${high}`);
    return low + this.#upTo(most);
  }

  /** Shuffles in place: `shuffle(list)`. */
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.#upTo(i);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  }

  /** 0..n-1 in random order: `permutation(n)`. */
  permutation(n: number): number[] {
    return this.shuffle(Array.from({ length: n }, (_, i) => i));
  }
}
