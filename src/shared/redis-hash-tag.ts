/** Whether Redis computes the slot of a key from the part in braces, not from its whole name: `user:{42}:turns`. */
export function hasHashTag(key: string): boolean {
  return /^[^{]*\{[^}]+\}/.test(key);
}
