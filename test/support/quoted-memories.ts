/** A line of a prompt that quotes a memory. */
export interface QuotedMemory {
  /** `2026-11-22 11:00 (5 days ago, holds now)`. */
  readonly date: string;
  readonly text: string;
}

const LINE = /^- (?<date>\d{4}-\d{2}-\d{2} \d{2}:\d{2} \([^"]*\)): (?<text>".*")$/;

/** The memories that a prompt's text quotes, in its order; their texts must be JSON strings on one line. */
export function quotedMemories(prompt: string): QuotedMemory[] {
  return prompt.split('\n').flatMap((line) => {
    const { date = '', text = '' } = LINE.exec(line)?.groups ?? {};
    return text === '' ? [] : [{ date, text: JSON.parse(text) as string }];
  });
}
