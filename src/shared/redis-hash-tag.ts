/** Whether Redis places a key by what stands in its braces, and not by its whole name: `user:{42}:turns`. */
export function hasHashTag(key: string): boolean {
  return /^[^{]*\{[^}]+\}/.test(key);
}
