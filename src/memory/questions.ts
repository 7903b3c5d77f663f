/** Whether a text asks and tells nothing. */
export function isPureQuestion(text: string): boolean {
  return text.trim().endsWith('?');
}

/** Whether a text asks for what was asked. */
export function asksForQuestions(query: string): boolean {
  return query.includes('did I ask');
}
