/** Windows of a clip that get a caption of their own: the reference's rule (`windowing_utils.compute_windows`), ends inclusive. */

export interface Window {
  start_frame: number;
  end_frame: number;
}

/** Fewer frames than this make no window. */
const least = 4;

/** Full windows; a remainder of at least `remainder` frames is one of its own, a smaller one lengthens the last. */
export function captionWindows(frames: number, window: number, remainder: number): Window[] {
  if (frames < least) return [];
  if (frames <= window) return [{ start_frame: 0, end_frame: frames - 1 }];
  const full = Math.floor(frames / window);
  const windows = Array.from({ length: full }, (_, k) => ({ start_frame: k * window, end_frame: (k + 1) * window - 1 }));
  const rest = frames - full * window;
  if (rest >= Math.max(remainder, least)) windows.push({ start_frame: full * window, end_frame: frames - 1 });
  else windows.at(-1)!.end_frame = frames - 1;
  return windows;
}
