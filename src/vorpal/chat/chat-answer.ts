import type { ChatCompletionChunk, Usage } from '@archive-brain/vllm-protocol';

export interface ChatAnswer {
  readonly text: string;
  readonly model: string;
  /** `stop`, or `length` if `maxTokens` cut the answer; `null` if the server does not say. */
  readonly finishReason: string | null;
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}

/** The result of a streamed answer. */
export class StreamedAnswer {
  private readonly pieces: string[] = [];
  private model = '';
  private finishReason: string | null = null;
  private usage: ChatAnswer['usage'] = null;

  /** Adds the next chunk. Returns its text, which is empty in those that only begin, end or count. */
  add(chunk: ChatCompletionChunk): string {
    const [choice] = chunk.choices;
    const text = choice?.delta.content ?? '';
    if (text !== '') this.pieces.push(text);
    this.model = chunk.model;
    this.finishReason = choice?.finish_reason ?? this.finishReason;
    this.usage = readUsage(chunk) ?? this.usage;
    return text;
  }

  /** All of it so far. */
  get whole(): ChatAnswer {
    const { model, finishReason, usage } = this;
    return { text: this.pieces.join(''), model, finishReason, usage };
  }
}

/** The usage of an answer or a chunk, with the number of generated tokens computed if only the total is given. */
export function readUsage({ usage }: { readonly usage?: Usage | null }): ChatAnswer['usage'] {
  if (!usage) return null;
  const { prompt_tokens, completion_tokens, total_tokens } = usage;
  return { prompt_tokens, completion_tokens: completion_tokens ?? total_tokens - prompt_tokens, total_tokens };
}
