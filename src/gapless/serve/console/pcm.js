// Samples as the wire wants them.

/** Block length of every source, in seconds: short enough to feel live, long enough to be cheap. */
export const BLOCK_SECONDS = 0.05;

/** The highest rate that the server takes. */
export const MAX_RATE_HZ = 48_000;

/** Float samples (-1..1) as 16-bit little-endian PCM, clipped. @param {Float32Array} samples */
export function toPcm16(samples) {
  const bytes = new DataView(new ArrayBuffer(samples.length * 2));
  for (let i = 0; i < samples.length; i++) {
    const clipped = Math.max(-1, Math.min(1, samples[i]));
    bytes.setInt16(i * 2, Math.round(clipped * 32_767), true);
  }
  return bytes.buffer;
}
