import { execFileSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ffmpeg, source } from "../video/test-clips.cases.ts";
import { signC2pa, verifyC2pa } from "./c2pa.ts";
import { cbor, requestTimestamp, reservedSize, signClaim } from "./cose.ts";
import { openContentCredential } from "./keys.ts";

const folder = mkdtempSync(join(tmpdir(), "orrery-cose-"));
const at = (name: string): string => join(folder, name);
const here = { home: at("home"), env: {} };

/** A time-stamp authority on this machine: OpenSSL answers each query. */
let authority: Server;
let url: string;

beforeAll(async () => {
  writeFileSync(at("tsa.cnf"), `[tsa]\ndefault_tsa=t\n[t]\nserial=${at("serial")}\nsigner_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\naccuracy=secs:1\ness_cert_id_alg=sha256\n[ext]\nextendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\nbasicConstraints=CA:FALSE\n[req]\ndistinguished_name=dn\n[dn]\n`);
  const openssl = (...words: string[]) => execFileSync("openssl", words, { stdio: "ignore" });
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30", "-subj", "/O=Clock/CN=Clock root");
  openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", at("tsa.key"), "-out", at("tsa.csr"), "-subj", "/O=Clock/CN=Clock");
  openssl("x509", "-req", "-in", at("tsa.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "20", "-extfile", at("tsa.cnf"), "-extensions", "ext", "-out", at("tsa.pem"));
  authority = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      if (request.url !== "/") return void response.writeHead(503).end();
      writeFileSync(at("query.tsq"), Buffer.concat(parts));
      openssl("ts", "-reply", "-config", at("tsa.cnf"), "-queryfile", at("query.tsq"), "-signer", at("tsa.pem"), "-inkey", at("tsa.key"), "-chain", at("ca.pem"), "-out", at("reply.tsr"));
      response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(readFileSync(at("reply.tsr")));
    });
  });
  await new Promise<void>((resolve) => authority.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(authority.address() as AddressInfo).port}/`;
});
afterAll(() => {
  authority.close();
  rmSync(folder, { recursive: true, force: true });
});

test("CBOR, by the examples of RFC 8949", () => {
  const hex = (value: Parameters<typeof cbor>[0]) => cbor(value).toString("hex");
  expect([0, 23, 24, 1000, 1_000_000, -1, -1000].map(hex)).toEqual(["00", "17", "1818", "1903e8", "1a000f4240", "20", "3903e7"]);
  expect(hex({ list: [1, { list: [2, 3] }, "IETF", null, Buffer.from("01020304", "hex")] })).toBe("85018202036449455446f64401020304");
  expect(hex({ map: [["a", 1], ["b", { list: [2, 3] }]] })).toBe("a26161016162820203");
  expect(hex({ tag: 18, value: "a" })).toBe("d26161");
});

describe("a signature", () => {
  test("fills exactly the room that was reserved, whatever it is", async () => {
    const credential = await openContentCredential(here);
    const need = reservedSize(credential) - 2048 + 40;
    const sizes = [...Array.from({ length: 12 }, (_, i) => need + 270 + i), need + 65_530, need + 65_600, need + 66_000];
    for (const size of sizes) expect((await signClaim(Buffer.from("claim"), credential, size)).length).toBe(size);
    await expect(signClaim(Buffer.from("claim"), credential, 100)).rejects.toThrow(/bytes more than the 100/);
  });

  test.each([
    ["es384", ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["ps256", ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"]],
    ["ed25519", ["ed25519"]],
  ])("of a user's %s certificate is accepted, and its signer unknown", async (algorithm, key) => {
    const extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
    execFileSync("openssl", ["req", "-x509", "-newkey", ...key, "-nodes", "-keyout", at("root.key"), "-out", at("root.pem"), "-days", "30", "-subj", "/O=User/CN=Root", ...extensions], { stdio: "ignore" });
    execFileSync("openssl", ["req", "-new", "-newkey", ...key, "-nodes", "-keyout", at("leaf.key"), "-out", at("leaf.csr"), "-subj", "/O=User/CN=Leaf"], { stdio: "ignore" });
    writeFileSync(at("leaf.cnf"), "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\nauthorityKeyIdentifier=keyid\n");
    execFileSync("openssl", ["x509", "-req", "-in", at("leaf.csr"), "-CA", at("root.pem"), "-CAkey", at("root.key"), "-CAcreateserial", "-days", "20", "-extfile", at("leaf.cnf"), "-out", at("leaf.pem")], { stdio: "ignore" });
    ffmpeg(...source("testsrc2=s=64x64:r=24:d=0.2"), "-pix_fmt", "yuv420p", at("plain.mp4"));
    const options = { home: at("user"), env: { ORRERY_C2PA_KEY: at("leaf.key"), ORRERY_C2PA_CERT: at("leaf.pem") } };
    expect((await openContentCredential(options)).algorithm).toBe(algorithm);
    await signC2pa(at("plain.mp4"), at("signed.mp4"), { source: "algorithmicMedia" }, options);
    expect(await verifyC2pa(at("signed.mp4"), options)).toMatchObject({ state: "valid", failures: [], signer: { organisation: "User", name: "Leaf" } });
  });

  test("carries the time of an authority", async () => {
    ffmpeg(...source("testsrc2=s=64x64:r=24:d=0.2"), "-pix_fmt", "yuv420p", at("plain.mp4"));
    const options = { ...here, env: { ORRERY_TSA_URL: url } };
    await signC2pa(at("plain.mp4"), at("stamped.mp4"), { source: "algorithmicMedia" }, options);
    const report = await verifyC2pa(at("stamped.mp4"), here);
    expect(report).toMatchObject({ state: "trusted", failures: [], timeTrusted: false });
    copyFileSync(at("ca.pem"), at("home/anchors/clock.pem"));
    expect(await verifyC2pa(at("stamped.mp4"), here)).toMatchObject({ state: "trusted", timeTrusted: true, signedAt: report.signedAt });
    expect(Math.abs(new Date(report.signedAt!).getTime() - Date.now())).toBeLessThan(60_000);
    const token = await requestTimestamp(url, Buffer.from("words"));
    writeFileSync(at("token.der"), token);
    writeFileSync(at("words"), "words");
    expect(execFileSync("openssl", ["ts", "-verify", "-data", at("words"), "-in", at("token.der"), "-token_in", "-CAfile", at("ca.pem")], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })).toContain("OK");
  });

  test("is not made without the time stamp that was asked for", async () => {
    await expect(requestTimestamp(`${url}busy`, Buffer.from("x"))).rejects.toThrow(/answered 503; check ORRERY_TSA_URL/);
    await expect(requestTimestamp("http://127.0.0.1:1/", Buffer.from("x"))).rejects.toThrow(/cannot be reached/);
  });
});

test("the signature is over COSE's Sig_structure", async () => {
  const credential = await openContentCredential(here);
  const whole = await signClaim(Buffer.from("claim"), credential, 4096);
  const protectedHeader = cbor({ map: [[1, -7], [33, credential.chain[0]!]] });
  expect(whole.includes(protectedHeader)).toBe(true);
  const toSign = cbor({ list: ["Signature1", protectedHeader, Buffer.alloc(0), Buffer.from("claim")] });
  expect(verify("sha256", toSign, { key: createPublicKey(credential.privateKey), dsaEncoding: "ieee-p1363" }, whole.subarray(-64))).toBe(true);
});
