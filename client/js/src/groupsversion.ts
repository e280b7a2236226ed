/**
 * One number for how far a client is in all of its groups: the sum of version and CRC-32 of the id
 * (UTF-8) of every group, modulo 2^64; the rule of `proto/groupsversion.py`.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 of the UTF-8 of a text, without TextEncoder, which mini-programs lack. */
export function crc32(text: string): number {
  let value = 0xffffffff;
  for (const byte of utf8(text)) value = TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function* utf8(text: string): Generator<number> {
  const escaped = encodeURIComponent(text);
  for (let i = 0; i < escaped.length; i++) {
    if (escaped[i] === "%") {
      yield parseInt(escaped.slice(i + 1, i + 3), 16);
      i += 2;
    } else {
      yield escaped.charCodeAt(i);
    }
  }
}

export function groupsVersion(cursors: Iterable<[group: string, cursor: bigint]>): bigint {
  let sum = 0n;
  for (const [group, cursor] of cursors) sum += cursor + BigInt(crc32(group));
  return BigInt.asUintN(64, sum);
}
