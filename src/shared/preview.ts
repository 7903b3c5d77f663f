import { blankUnsafe } from '@archive-brain/common';

const PREVIEW_CHARACTERS = 50;

/**
 * The first 50 characters, for a log line or a table. Unsafe characters become blanks, so that a message cannot forge a
 * line.
 */
export function previewOf(message: string): string {
  const start = Array.from(message.slice(0, 2 * PREVIEW_CHARACTERS))
    .slice(0, PREVIEW_CHARACTERS)
    .join('');
  return `${blankUnsafe(start)}...`;
}
