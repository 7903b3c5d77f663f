import { decodeSseData } from '@archive-brain/vllm-protocol';

export type ChatEventBody = Record<string, unknown> & { readonly type: string };

/** The events of a streamed chat as they come. */
export async function* chatEvents(response: Response): AsyncGenerator<ChatEventBody, void> {
  for await (const data of decodeSseData(response.body!)) yield JSON.parse(data) as ChatEventBody;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
