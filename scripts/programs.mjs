/**
 * Programs that npm cannot bring: ffmpeg with ffprobe, and for the browser test a Chromium. On Debian and Ubuntu they are
 * installed where that needs no password; anywhere else the exact command is printed.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { runVisibly, say, SetupError, succeeds } from "./say.mjs";

/** The path of a program, like `which`. */
export function find(name) {
  const endings = process.platform === "win32" ? [".exe", ""] : [""];
  const folders = isAbsolute(name) || name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  for (const folder of folders) {
    for (const ending of endings) {
      const path = join(folder, name + ending);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // not this one
      }
    }
  }
  return undefined;
}

/** What each system's own package is called, by the package manager that would install it. */
const recipes = {
  ffmpeg: {
    "apt-get": "apt-get update && apt-get install -y --no-install-recommends ffmpeg",
    dnf: "dnf install -y ffmpeg-free",
    apk: "apk add ffmpeg",
    pacman: "pacman -S --noconfirm ffmpeg",
    zypper: "zypper install -y ffmpeg",
    brew: "brew install ffmpeg",
    winget: "winget install --id Gyan.FFmpeg",
  },
  chromium: {
    "apt-get": "apt-get update && apt-get install -y --no-install-recommends chromium",
    dnf: "dnf install -y chromium",
    apk: "apk add chromium",
    pacman: "pacman -S --noconfirm chromium",
    zypper: "zypper install -y chromium",
    brew: "brew install --cask chromium",
  },
};

function packageManager() {
  const names = process.platform === "darwin" ? ["brew"] : process.platform === "win32" ? ["winget"] : ["apt-get", "dnf", "apk", "pacman", "zypper"];
  return names.find((name) => find(name));
}

/** The command that installs a program here, as a person would type it. */
function commandFor(what) {
  const manager = packageManager() ?? (process.platform === "darwin" ? "brew" : process.platform === "win32" ? "winget" : undefined);
  const recipe = manager && recipes[what][manager];
  if (!recipe) return undefined;
  if (manager === "brew" || manager === "winget" || process.getuid?.() === 0) return recipe;
  return recipe.split(" && ").map((step) => `sudo ${step}`).join(" && ");
}

function isDebian() {
  if (process.platform !== "linux" || !find("apt-get")) return false;
  const facts = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(facts);
}

/** Installs a Debian package when nobody has to be asked. Gives whether apt says that it did. */
async function installOnDebian(what, why) {
  if (!isDebian()) return false;
  const isRoot = process.getuid() === 0;
  if (!isRoot && !(find("sudo") && succeeds("sudo", ["-n", "true"]))) return false;
  say(`${why}; running ${commandFor(what)}`);
  const apt = async (...args) => {
    const words = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", ...args];
    return (await runVisibly(isRoot ? words[0] : "sudo", isRoot ? words.slice(1) : ["-n", ...words])) === 0;
  };
  // A list that cannot be refreshed may still know the package.
  if (!(await apt("update"))) say("apt-get update failed; trying to install all the same");
  return apt("install", "-y", "--no-install-recommends", what);
}

function programAt(variable, fallback) {
  const given = process.env[variable];
  if (!given) return find(fallback);
  const path = find(given);
  if (!path) throw new SetupError(`${variable} is "${given}", which is not a program that can be run; correct it or unset it`);
  return path;
}

const findVideoPrograms = () => [programAt("ORRERY_FFMPEG", "ffmpeg"), programAt("ORRERY_FFPROBE", "ffprobe")];

/** ffmpeg and ffprobe must be there. */
export async function ensureFfmpeg() {
  const missing = () => ["ffmpeg", "ffprobe"].filter((_, i) => !findVideoPrograms()[i]);
  const before = missing();
  if (before.length === 0) return false;
  const why = `${before.join(" and ")} not found`;
  if ((await installOnDebian("ffmpeg", why)) && missing().length === 0) return true;
  const command = commandFor("ffmpeg");
  throw new SetupError(`${why}; ${command ? `run this, then the same command again:\n\n  ${command}\n` : "install ffmpeg 5.1 or newer"}\nor set ORRERY_FFMPEG and ORRERY_FFPROBE to the programs`);
}

const chromiumPlaces = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** The browser of the browser test: ORRERY_CHROMIUM, else the first one found. */
export function findChromium() {
  if (process.env.ORRERY_CHROMIUM) return programAt("ORRERY_CHROMIUM", "");
  for (const place of chromiumPlaces) {
    const path = find(place);
    if (path) return path;
  }
  return undefined;
}

/** Chromium should be there; without it the browser test is skipped, except in CI, where nothing is skipped silently. */
export async function ensureChromium() {
  if (findChromium()) return false;
  if ((await installOnDebian("chromium", "no Chromium for the browser test")) && findChromium()) return true;
  const command = commandFor("chromium");
  const advice = `no Chromium found${command ? ` (to install it: ${command})` : ""}; ORRERY_CHROMIUM may name one`;
  if (process.env.CI === "true") throw new SetupError(advice);
  say(`${advice}; the browser test will be skipped`);
  return false;
}
