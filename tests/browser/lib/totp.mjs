// One-time codes of RFC 6238, as an authenticator app computes them. Shares nothing with the server.

import { createHmac } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The code of a secret in base32, as a page or an `otpauth:` address shows it; `steps` from now.
export function totp(secret, { steps = 0, now = Date.now(), digits = 6, period = 30, algorithm = "sha1" } = {}) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 1000 / period) + steps));
  const mac = createHmac(algorithm, base32(secret)).update(counter).digest();
  const at = mac[mac.length - 1] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 10 ** digits).padStart(digits, "0");
}

function base32(text) {
  let bits = "";
  for (const letter of text.toUpperCase().replaceAll(/[\s=-]/g, "")) {
    const value = ALPHABET.indexOf(letter);
    if (value < 0) throw new Error(`${letter} is no letter of base32`);
    bits += value.toString(2).padStart(5, "0");
  }
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}
