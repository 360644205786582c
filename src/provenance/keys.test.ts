import { execFile, execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { openContentCredential, openRecordKey, openWatermarkKey, trustAnchors, verifySignature } from "./index.ts";
import { certificatesOf, pemOf } from "./certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-keys-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const home = (name: string) => ({ home: at(name), env: {} });

describe("the keys of an installation", () => {
  test("are made once, for the owner alone, and stay the same", async () => {
    const [first, second] = [await openRecordKey(home("a")), await openRecordKey(home("a"))];
    expect(second.keyId).toBe(first.keyId);
    expect(first.keyId).toMatch(/^[0-9a-f]{64}$/);
    expect(await openWatermarkKey(home("a"))).toEqual(await openWatermarkKey(home("a")));
    expect((await openContentCredential(home("a"))).chain).toEqual((await openContentCredential(home("a"))).chain);
    for (const name of ["record.pem", "content.pem", "watermark.key"]) expect(statSync(at(`a/keys/${name}`)).mode & 0o777, name).toBe(0o600);
    expect(readFileSync(at("a/keys/record.pub.pem"), "utf8")).toBe(first.publicKeyPem);
    expect(readdirSync(at("a/keys")).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("what one signs the public half verifies, and nothing else", async () => {
    const key = await openRecordKey(home("a"));
    const signature = key.sign(Buffer.from("a record"));
    expect(verifySignature(key.publicKeyPem, Buffer.from("a record"), signature)).toBe(true);
    expect(verifySignature(key.publicKeyPem, Buffer.from("a recorD"), signature)).toBe(false);
    expect(verifySignature((await openRecordKey(home("b"))).publicKeyPem, Buffer.from("a record"), signature)).toBe(false);
    expect(verifySignature("no key", Buffer.from("a record"), signature)).toBe(false);
  });

  test("four processes at once agree on them", async () => {
    const script = `import { openRecordKey, openWatermarkKey, openContentCredential } from ${JSON.stringify(join(import.meta.dirname, "../../dist/provenance/index.js"))};
      const options = { home: ${JSON.stringify(at("race"))}, env: {} };
      const [a, b, c] = await Promise.all([openRecordKey(options), openWatermarkKey(options), openContentCredential(options)]);
      console.log(a.keyId, Buffer.from(b).toString("hex"), c.chain[0].toString("hex"));`;
    const outputs = await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script])));
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
  });

  test("a secret that others may read is refused", async () => {
    await openWatermarkKey(home("open"));
    chmodSync(at("open/keys/watermark.key"), 0o644);
    await expect(openWatermarkKey(home("open"))).rejects.toThrow(/others may read it \(mode 644\).*chmod 600/);
  });
});

describe("the certificate", () => {
  test("is a chain that OpenSSL accepts, with C2PA's profile", async () => {
    const { chain, algorithm, selfIssued } = await openContentCredential(home("a"));
    expect([chain.length, algorithm, selfIssued]).toEqual([2, "es256", true]);
    writeFileSync(at("leaf.pem"), pemOf(chain[0]!));
    writeFileSync(at("root.pem"), pemOf(chain[1]!));
    expect(execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", at("root.pem"), at("leaf.pem")], { encoding: "utf8" })).toContain("OK");
    const [leaf, root] = chain.map((one) => new X509Certificate(one));
    expect([leaf!.ca, root!.ca, leaf!.checkIssued(root!)]).toEqual([false, true, true]);
    expect(leaf!.keyUsage).toEqual(["1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.4"]);
    expect(certificatesOf(await trustAnchors(home("a")))).toEqual([chain[1]]);
  });

  test("of the user takes its place", async () => {
    const env = { ORRERY_C2PA_KEY: at("own.key"), ORRERY_C2PA_CERT: at("own.pem"), ORRERY_TSA_URL: "http://127.0.0.1:9/tsa" };
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", at("own.key"), "-out", at("own.pem"), "-days", "9", "-subj", "/O=Me"], { stdio: "ignore" });
    expect(await openContentCredential({ home: at("own"), env })).toMatchObject({ algorithm: "es384", selfIssued: false, timestampUrl: "http://127.0.0.1:9/tsa" });
    const failing = (change: Record<string, string | undefined>) => openContentCredential({ home: at("own"), env: { ...env, ...change } });
    await expect(failing({ ORRERY_C2PA_CERT: at("leaf.pem") })).rejects.toThrow(/does not belong to the private key/);
    await expect(failing({ ORRERY_C2PA_CERT: undefined })).rejects.toThrow(/ORRERY_C2PA_KEY is set alone/);
    await expect(failing({ ORRERY_C2PA_KEY: at("own.pem") })).rejects.toThrow(/no private key/);
    await expect(failing({ ORRERY_TSA_URL: "ftp://x" })).rejects.toThrow(/ORRERY_TSA_URL/);
    await expect(openRecordKey({ home: at("own"), env: { ORRERY_SIGNING_KEY: at("own.key") } })).rejects.toThrow(/type ec; records are signed with Ed25519/);
    await expect(openWatermarkKey({ home: at("own"), env: { ORRERY_WATERMARK_KEY: at("own.pem") } })).rejects.toThrow(/64 hexadecimal digits/);
  });
});
