// Arrays of numbers, as the server and files of films have them.

export const KINDS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
};

// An array whose bytes are in base64.
export function decoded({ type, shape, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return Object.assign(new KINDS[type](bytes.buffer), { shape });
}
