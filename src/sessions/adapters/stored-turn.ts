import { z } from 'zod';
import type { DecodedTurn, Turn } from '../session-store.port.js';

/** A turn as both stores keep it. */
const storedTurn = z.object({
  role: z.enum(['user', 'assistant']),
  text: z.string(),
  at_ms: z.number(),
  is_private: z.boolean(),
});

const turnCodec = z.codec(storedTurn, z.custom<Turn>(), {
  decode: ({ role, text, at_ms: atMs, is_private: isPrivate }) => ({ role, text, atMs, isPrivate }),
  encode: ({ role, text, atMs, isPrivate }) => ({ role, text, at_ms: atMs, is_private: isPrivate }),
});

export function encodeTurn(turn: Turn): string {
  return JSON.stringify(z.encode(turnCodec, turn));
}

/** The turn, or what is wrong with it (names of fields, never their content). */
export function decodeTurn(stored: unknown): DecodedTurn {
  const { data: turn, error } = turnCodec.safeParse(stored);
  if (error) return { problem: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
  return { turn };
}

/** The same for a turn as JSON. */
export function decodeTurnText(text: string): DecodedTurn {
  try {
    return decodeTurn(JSON.parse(text));
  } catch {
    return { problem: 'not JSON' };
  }
}
