// Common characters; what they say does not matter, only that no two texts are alike and each character is a token or
// more.
const CHARACTERS = Array.from(
  '的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经',
);
const WORDS =
  'river morning garden letter stone window market summer bridge winter story forest doctor harbour music teacher evening road'.split(
    ' ',
  );
const WORDS_A_MESSAGE = 30;

/** `length` characters, others for each `seed`. */
export function longCjkText(length: number, seed: number): string {
  return pick(CHARACTERS, length, seed).join('');
}

/** A message of ordinary length. */
export function ordinaryMessage(seed: number): string {
  return `Note ${seed}: ${pick(WORDS, WORDS_A_MESSAGE, seed).join(' ')}.`;
}

/** The same for the same seed; a linear congruential generator is random enough for that. */
function pick<T>(from: readonly T[], count: number, seed: number): T[] {
  let state = seed + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)]!;
  });
}
