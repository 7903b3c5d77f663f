import { z } from 'zod';
import type { DecodedTurn, Turn } from '../session-store.port.js';

/** A turn as both stores keep it. */
const storedTurn = z.object({
  role: z.enum(['user', 'assistant']),
  text: z.string(),
  at_ms: z.number(),
  is_private: z.boolean(),
});

export function encodeTurn({ role, text, atMs, isPrivate }: Turn): string {
  return JSON.stringify({ role, text, at_ms: atMs, is_private: isPrivate } satisfies z.output<typeof storedTurn>);
}

/** The turn, or what is wrong with it (names of fields, never their content). */
export function decodeTurn(stored: unknown): DecodedTurn {
  const { data, error } = storedTurn.safeParse(stored);
  if (error) return { problem: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  return { turn: { role: data.role, text: data.text, atMs: data.at_ms, isPrivate: data.is_private } };
}

/** The same for a turn as JSON. */
export function decodeTurnText(text: string): DecodedTurn {
  try {
    return decodeTurn(JSON.parse(text));
  } catch {
    return { problem: 'it is no JSON' };
  }
}
