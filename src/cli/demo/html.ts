/** Pieces of the demo's page: pictures inside the file, videos beside it, its numbered stages. */
import { duration, escapeHtml } from "../../html.ts";
import { encodePng, type Picture } from "../../video/index.ts";

/** A picture as part of the page, drawn with hard pixels when it is small. */
export function figure(picture: Picture, caption: string, alt = caption): string {
  const data = Buffer.from(encodePng(picture)).toString("base64");
  return `<figure class="picture"><img src="data:image/png;base64,${data}" width="${picture.width}" height="${picture.height}" alt="${escapeHtml(alt)}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** A video that lies beside the page. It plays in a loop, without sound, as soon as it is seen. */
export function movie(file: string, width: number, height: number, caption: string): string {
  return `<figure class="movie"><video src="${encodeURIComponent(file)}" width="${width}" height="${height}" autoplay loop muted playsinline></video><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** One stage: its number, name, time, and what there is to see. `lead` is HTML, as are the parts. */
export function section(number: number, title: string, seconds: number | undefined, lead: string, ...parts: readonly string[]): string {
  return `<section id="stage-${number}"><h2><span class="step">${number}</span>${escapeHtml(title)}${seconds === undefined ? "" : `<small>${duration(seconds)}</small>`}</h2><p>${lead}</p>${parts.join("\n")}</section>`;
}

/** Speed buttons for all videos of the page; without a script they play at their own rate. */
export const speedScript = `
for (const button of document.querySelectorAll("[data-speed]")) button.addEventListener("click", () => {
  const speed = Number(button.dataset.speed);
  for (const video of document.querySelectorAll("video")) if (speed === 0) video.pause(); else { video.playbackRate = speed; video.play().catch(() => {}); }
  for (const other of document.querySelectorAll("[data-speed]")) other.setAttribute("aria-pressed", String(other === button));
});
`.trim();

export const speedButtons = (): string => `<div class="speeds" role="group" aria-label="Speed of the videos">Speed ${[["1", "as filmed"], ["0.5", "half"], ["0.25", "quarter"]].map(([rate, name]) => `<button type="button" data-speed="${rate}" aria-pressed="${rate === "1"}">${name}</button>`).join("")}<button type="button" data-speed="0" aria-pressed="false">stop</button></div>`;
