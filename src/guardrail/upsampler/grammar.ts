/**
 * The built-in prompt upsampler: not a model but a small grammar of light, camera, place and movement. The prompt stays as it
 * is, word for word, and sentences are added about what it leaves open; an aspect that the prompt speaks of itself is left
 * alone, so that nothing contradicts it. The grammar has no word for a person, an object or an event, hence it cannot add one.
 * The same prompt and seed give the same words.
 */
import { createHash } from "node:crypto";
import type { PromptUpsampler } from "./upsample.ts";

type Aspect = "camera" | "light" | "place" | "movement" | "surface";

/** How a prompt speaks of an aspect. */
const spokenOf: Readonly<Record<Aspect, RegExp>> = {
  camera: /\b(camera|shots?|close-?ups?|wide[- ]angle|angle|viewpoint|point of view|pov|first[- ]person|third[- ]person|egocentric|ego-?view|bird'?s[- ]eye|top[- ]down|aerial|drone|dash ?cam|fpv|zoom\w*|pans?|panning|tilt\w*|dolly|tracking|handheld|gimbal|lens|framing|overhead view|side view|front view|seen from|viewed from|time-?lapse|fisheye|macro)\b/i,
  light: /\b(light\w*|lit|sun\w*|dawn|dusk|day|daytime|daylight|night\w*|noon|midday|morning|evening|afternoon|twilight|dark\w*|bright\w*|dim\w*|gloomy|shad(ow|e)\w*|glow\w*|neon|lamps?|lantern\w*|candle\w*|torch\w*|moon\w*|overcast|cloud\w*|fog\w*|mist\w*|rain\w*|storm\w*|snow\w*|golden hour|backlit|silhouette\w*|spotlight\w*|headlights?|fire|flames?|underwater|space)\b/i,
  place: /\b(background|backdrop|surroundings|in front of|landscape|environment|setting|scenery|(in|inside|at|on|near|through|across|along|over|under|outside|around) (a|an|the|its|their|our|his|her|my|your) [\w -]*?(room|kitchen|office|warehouse|factory|hall|lab\w*|workshop|garage|street|road|highway|city|town|village|park|forest|woods|field|meadow|beach|sea|ocean|lake|river|mountains?|desert|garden|yard|house|building|store|shop|supermarket|restaurant|school|hospital|stadium|station|airport|bridge|tunnel|stage|studio|corridor|aisle|bench|desk|table|counter|floor|shelf|shelves|conveyor|belt|line|track|intersection|crossing|parking|lot))\b/i,
  movement: /\b(slow\w*|fast\w*|quick\w*|rapid\w*|sudden\w*|smooth\w*|gentl\w*|gradual\w*|steadil\w*|steady|speed\w*|rush\w*|rac(es|ing)|sprint\w*|still|motionless|frozen|static|stationary|explo\w*|crash\w*|shatter\w*|collid\w*|falls?|falling|drops?|dropping|bounc\w*|slow[- ]motion)\b/i,
  surface: /\b(cartoon\w*|anime|animation|animated|painting|painted|drawing|drawn|sketch\w*|illustrat\w*|render\w*|3d|cgi|pixel art|clay\w*|stop[- ]motion|watercolou?r|realistic|photoreal\w*|cinematic|vintage|black and white|monochrome|sepia|film grain|texture\w*|glossy|matte|shiny|metallic|wooden|transparent)\b/i,
};

const outdoors = /\b(street|road|highway|car|cars|truck|bus|cyclist|traffic|city|park|forest|woods|field|meadow|beach|sea|ocean|lake|river|mountain\w*|desert|garden|sky|bird|birds|boat|ship|tree|trees|grass|horse|farm|harvest\w*|drone|plane|bridge|intersection|crosswalk|sidewalk)\b/i;

type Rule = readonly (readonly string[])[];

/** Each aspect: a sentence of parts, each with its alternatives. */
const grammar: Readonly<Record<Aspect, (outside: boolean) => Rule>> = {
  camera: () => [
    ["The camera holds still", "A steady camera watches", "The camera stays fixed", "A single continuous take is held"],
    [" at the height of the action", " from slightly above the action", " from the side of the action", " straight in front of the action"],
    [" and keeps all of it in the picture", ", near enough to see every detail", ", with a little room around it on every side", ", from the beginning to the end"],
  ],
  light: (outside) => [
    outside ? ["Soft daylight", "Clear, even daylight", "Mild natural light"] : ["Soft, even light", "Clear, neutral light", "Diffuse light"],
    [" falls from above", " comes from one side", " falls from the upper left", " comes from above and a little in front"],
    [" and leaves faint shadows", ", so that edges and shapes are easy to tell apart", ", with short, soft shadows beneath things", " and shows colours as they are"],
  ],
  place: () => [
    ["The background is plain", "What lies behind is simple and uncluttered", "The surroundings are quiet and without clutter"],
    [" and a little out of focus", ", and recedes behind the action", ", in muted colours", " and keeps to itself"],
  ],
  movement: () => [
    ["Movement is continuous and unhurried", "Everything moves smoothly", "The movement is even and easy to follow"],
    [", without a stop", ", and gathers and loses speed gradually", ", as the weight of things would have it", " from the first moment to the last"],
  ],
  surface: () => [
    ["Surfaces show what they are made of", "Materials are easy to recognise", "Fine texture is visible on every surface"],
    [", with clear edges and natural colours", ", from rough to smooth", ", in sharp focus", ", and nothing is blurred"],
  ],
};

const order: readonly Aspect[] = ["place", "light", "surface", "camera", "movement"];

/** English by its small words; the sentences that are added are English. */
function looksEnglish(text: string): boolean {
  const letters = text.match(/\p{L}/gu) ?? [];
  const latin = letters.filter((c) => /[a-z]/i.test(c)).length;
  if (letters.length === 0 || latin / letters.length < 0.9) return false;
  const words = text.toLowerCase().split(/\s+/);
  return words.length < 6 || words.some((w) => /^(a|an|the|of|in|on|with|and|is|are|to|at|from|by|its|into)$/.test(w));
}

/** Adds sentences about what a prompt leaves open. Gives the prompt itself where nothing can be added. */
export function growPrompt(prompt: string, seed = 0): string {
  const text = prompt.trim();
  if (!looksEnglish(text)) return text;
  const outside = outdoors.test(text);
  const sentences = order.filter((aspect) => !spokenOf[aspect].test(text)).map((aspect) => {
    const digest = createHash("sha256").update(`${seed}\n${aspect}\n${text}`).digest();
    return `${grammar[aspect](outside).map((choices, i) => choices[digest.readUInt32LE(i * 4) % choices.length]!).join("")}.`;
  });
  if (sentences.length === 0) return text;
  return `${text}${/[.!?…]["'”’)]?$/.test(text) ? "" : "."} ${sentences.join(" ")}`;
}

/** The grammar as an upsampler. Further attempts choose other words. */
export function openGrammarUpsampler({ seed = 0 }: { seed?: number } = {}): PromptUpsampler {
  return {
    model: "orrery-grammar", version: "1",
    rewrite: async (prompt, { attempt }) => growPrompt(prompt, seed + attempt * 1_000_003),
    close: async () => {},
  };
}
