/**
 * Content credentials against another build of the reference library: the native @contentauth/c2pa-node reads what we sign,
 * and we read what it signs; then every k-th byte of a signed file is changed, one at a time, and each change must be noticed.
 * c2pa-node is no dependency of this repository (its install script downloads); README.md here says how to get it.
 *
 *   npm run build && node benchmarks/provenance/c2pa-peer.mjs C2PA_NODE_FOLDER [CHANGES]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { makeDemoClip } from "../../dist/video/index.js";
import { openContentCredential, pemOf, signC2pa, trustAnchors, verifyC2pa } from "../../dist/provenance/index.js";
import { topLevelBoxes } from "../../dist/provenance/boxes.js";

const [folder, count = "2000"] = process.argv.slice(2);
const { Builder, LocalSigner, Reader } = await import(pathToFileURL(join(resolve(folder), "node_modules/@contentauth/c2pa-node/dist/index.js")).href);
const scratch = mkdtempSync(join(tmpdir(), "orrery-benchmark-"));
const at = (name) => join(scratch, name);
const home = { home: at("home"), env: {} };
try {
  await makeDemoClip(at("plain.mp4"), { width: 160, height: 96, frames: 17, fps: 24 });
  await signC2pa(at("plain.mp4"), at("ours.mp4"), { source: "trainedAlgorithmicMedia", model: { name: "test" }, watermarkId: "0123456789abcdef" }, home);
  const settings = { trust: { trust_anchors: await trustAnchors(home) }, verify: { verify_trust: true } };
  const theirView = (await Reader.fromAsset({ path: at("ours.mp4") }, settings)).json();
  const stranger = (await Reader.fromAsset({ path: at("ours.mp4") }, { trust: {}, verify: { verify_trust: true } })).json();
  console.log(`c2pa-node reads ours: ${theirView.validation_state} with our anchor, ${stranger.validation_state} without (${stranger.validation_status?.map(({ code }) => code).join(", ")})`);

  const credential = await openContentCredential(home);
  const signer = LocalSigner.newSigner(Buffer.from(pemOf(credential.chain[0])), Buffer.from(credential.privateKey.export({ type: "pkcs8", format: "pem" })), "es256");
  const builder = Builder.withJson({ claim_generator_info: [{ name: "peer", version: "1" }], title: "peer", format: "video/mp4", assertions: [{ label: "c2pa.actions.v2", data: { actions: [{ action: "c2pa.created", digitalSourceType: "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia" }] } }] });
  builder.sign(signer, { path: at("plain.mp4") }, { path: at("theirs.mp4") });
  const { state, failures, generator, digitalSource } = await verifyC2pa(at("theirs.mp4"), home);
  console.log(`we read theirs: ${state}${failures.length > 0 ? ` (${failures.join(", ")})` : ""}, by ${generator}, ${digitalSource}`);

  const file = readFileSync(at("ours.mp4"));
  const boxes = topLevelBoxes(file);
  const missed = new Map();
  let tried = 0;
  const step = Math.max(1, Math.floor(file.length / Number(count)));
  for (let position = 0; position < file.length; position += step, tried++) {
    const changed = Buffer.from(file);
    changed[position] ^= 1 << (tried % 8);
    writeFileSync(at("changed.mp4"), changed);
    const report = await verifyC2pa(at("changed.mp4"), home);
    if (report.state !== "trusted") continue;
    const box = boxes.find(({ offset, size }) => position >= offset && position < offset + size);
    const where = box.isCredential ? "the credential's own box (padding, or a byte that is not read)" : box.type;
    missed.set(where, (missed.get(where) ?? 0) + 1);
  }
  const media = boxes.filter(({ isCredential }) => !isCredential).reduce((sum, { size }) => sum + size, 0);
  console.log(`${tried} changes of one bit, one byte in ${step} of ${file.length} (${media} outside the credential): ${missed.size === 0 ? "all noticed" : [...missed].map(([where, times]) => `${times} not noticed in ${where}`).join("; ")}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
