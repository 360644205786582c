/** What curation may be told, with the reference's defaults where it has them (cosmos-curator's split pipeline). */
import { z } from "zod";
import { defaultDuplicateRules } from "./dedup/duplicates.ts";
import { defaultMotionRules } from "./motion/tags.ts";
import { defaultSpanRules } from "./shots/spans.ts";

const share = z.number().min(0).max(1);
const positive = z.number().positive();

export const curateSchema = z.strictObject({
  /** How sources are cut: at their shots, or into pieces of equal length. */
  split: z.strictObject({
    method: z.enum(["shots", "stride"]).default("shots"),
    strideS: positive.default(10),
    minLengthS: z.number().min(0).default(defaultSpanRules.minLengthS),
    minLengthFrames: z.number().int().min(1).default(defaultSpanRules.minLengthFrames),
    maxLengthS: positive.default(defaultSpanRules.maxLengthS),
    maxLengthMode: z.enum(["stride", "truncate"]).default(defaultSpanRules.maxLengthMode),
    cropS: z.number().min(0).default(defaultSpanRules.cropS),
  }).prefault({}),
  /** Shorter side below which a source is too small, pixels. */
  minSide: z.number().int().min(16).default(256),
  motion: z.strictObject({
    rules: z.strictObject({
      shift: positive.default(defaultMotionRules.shift),
      zoom: positive.default(defaultMotionRules.zoom),
      roll: positive.default(defaultMotionRules.roll),
      handheld: positive.default(defaultMotionRules.handheld),
      shaky: positive.default(defaultMotionRules.shaky),
      agreement: share.default(defaultMotionRules.agreement),
    }).prefault({}),
    /** Speeds, in widths a second, below which both camera and things must lie for a clip to be a still. */
    stillCamera: z.number().min(0).default(0.004),
    stillObjects: z.number().min(0).default(0.0015),
    /** Jitter above which a clip is too shaky to use. */
    mostJitter: positive.default(0.2),
  }).prefault({}),
  quality: z.strictObject({
    /** Share of each resolution class that goes, the worst first. */
    cut: share.default(0.15),
    /** Share of repeated frames above which a clip is frozen. */
    mostFreeze: share.default(0.6),
  }).prefault({}),
  duplicates: z.strictObject({
    enabled: z.boolean().default(true),
    look: share.default(defaultDuplicateRules.look),
    happening: share.default(defaultDuplicateRules.happening),
    share: share.default(defaultDuplicateRules.share),
  }).prefault({}),
  encode: z.strictObject({
    encoder: z.enum(["libx264", "libx265"]).default("libx264"),
    crf: z.number().int().min(0).max(51).default(18),
    preset: z.enum(["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]).default("veryfast"),
    /** Longest side, pixels; larger clips are scaled down. */
    maxSide: z.number().int().min(16).default(1280),
    /** Constant rate to convert to; the source's own average where absent. */
    fps: positive.max(240).optional(),
  }).prefault({}),
  /** Frames of a caption's window, and the least that a remainder needs to be a window of its own. */
  captionWindow: z.number().int().min(4).default(256),
  captionRemainder: z.number().int().min(1).default(128),
});

export type CurateSettings = z.output<typeof curateSchema>;
