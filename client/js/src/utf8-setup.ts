/**
 * Lets the protobuf library use our UTF-8 where there is none. Imported before everything else: the
 * schemas are decoded while they are loaded.
 */
import { configureTextEncoding } from "@bufbuild/protobuf/wire";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

if (typeof TextEncoder !== "function" || typeof TextDecoder !== "function") {
  configureTextEncoding({
    encodeUtf8,
    decodeUtf8,
    checkUtf8: (text) => decodeUtf8(encodeUtf8(text)) === text,
  });
}
