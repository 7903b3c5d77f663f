import { Inject, Injectable, Logger } from '@nestjs/common';
import { chatSettings, type ChatSettings } from './chat.settings.js';
import { assertTextLength } from '../http/index.js';
import { type RecalledMemory, RecallService } from '../memory/index.js';
import { contextOf, SessionService, type Turn } from '../sessions/index.js';
import { newId, peekFirst } from '../shared/index.js';
import { CaptureService } from '../stream/index.js';
import { type ChatAnswer, StreamedAnswer, VorpalClient } from '../vorpal/index.js';
import type { ChatPrompt } from './prompt/chat-prompt.js';
import { type ChatEvent, type ChatRequest, type ChatResponse, toRecalledMemoryBody } from './chat.schema.js';
import { LocalTime } from './prompt/local-time.js';
import { PromptFitter } from './prompt/prompt-fitter.js';

/** A message on its way to an answer. */
interface Conversation {
  readonly message: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly receivedAtMs: number;
  /** What its user was marked with when it came; nothing of it is kept if the user is forgotten meanwhile. */
  readonly forgetMark: string | undefined;
  readonly isPrivate: boolean;
  /** What was said before, oldest first. */
  readonly turns: readonly Turn[];
  /** Best first; `null` where they could not be had. */
  readonly memories: readonly RecalledMemory[] | null;
  readonly time: LocalTime;
  readonly traceparent: string | undefined;
}

@Injectable()
export class ChatService {
  private readonly logger = new Logger('Chat');

  constructor(
    private readonly capture: CaptureService,
    private readonly sessions: SessionService,
    private readonly recall: RecallService,
    private readonly fitter: PromptFitter,
    private readonly vorpal: VorpalClient,
    @Inject(chatSettings.KEY) private readonly settings: ChatSettings,
  ) {}

  /**
   * Captures the message, and has Vorpal answer it with the conversation so far and the user's memories, as far as they
   * fit the model's window. A failure of the capture, the session or the recall does not fail the answer. The message
   * is captured even if Vorpal cannot answer.
   * @throws TextTooLongError before anything is captured; any of the Vorpal errors afterwards
   */
  async answer(request: ChatRequest, traceparent: string | undefined, signal: AbortSignal): Promise<ChatResponse> {
    const conversation = await this.begin(request, traceparent, signal);
    const { answer, prompt } = await this.fitter.fit(this.partsOf(conversation), signal, async (tried) => ({
      answer: await this.vorpal.chat(this.optionsOf(tried, signal)),
    }));
    return this.complete(conversation, prompt, answer);
  }

  /**
   * The same, piece by piece as Vorpal generates it; the last event is the whole answer. The session gets question and
   * answer once the answer is complete: of one that was broken off it keeps nothing.
   */
  async *stream(
    request: ChatRequest,
    traceparent: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ChatEvent, void> {
    const conversation = await this.begin(request, traceparent, signal);
    const { first, rest, whole, prompt } = await this.fitter.fit(this.partsOf(conversation), signal, (tried) =>
      this.open(tried, signal),
    );
    try {
      if (first !== '') yield { type: 'delta', text: first };
      for await (const chunk of rest) {
        const text = whole.add(chunk);
        if (text !== '') yield { type: 'delta', text };
      }
    } finally {
      await rest.return();
    }
    yield { type: 'done', ...(await this.complete(conversation, prompt, whole.whole)) };
  }

  /** A streamed answer up to its first word: until there is one, another prompt may be tried and nobody sees it. */
  private async open(prompt: ChatPrompt, signal: AbortSignal) {
    const rest = await peekFirst(this.vorpal.streamChat(this.optionsOf(prompt, signal)));
    const whole = new StreamedAnswer();
    let first = '';
    while (first === '') {
      const { done, value } = await rest.next();
      if (done) break;
      first = whole.add(value);
    }
    return { first, rest, whole, answer: whole.whole };
  }

  private partsOf({ message, turns, memories, time }: Conversation) {
    return { systemPrompt: this.settings.systemPrompt, time, memories: memories ?? [], turns, message };
  }

  private optionsOf({ messages, maxTokens }: ChatPrompt, signal: AbortSignal) {
    return { messages, maxTokens, temperature: this.settings.temperature, signal };
  }

  private async begin(
    request: ChatRequest,
    traceparent: string | undefined,
    signal: AbortSignal,
  ): Promise<Conversation> {
    const { message, user_id: userId, memory: withMemory } = request;
    assertTextLength('message', message, this.settings.messageMaxCharacters);
    const sessionId = request.session_id ?? newId();
    const receivedAtMs = Date.now();
    const beginning = this.sessions.begin(userId, request.session_id);
    const said = beginning.then(({ turns }) => turns.map(({ text }) => text));
    const recalling = withMemory ? this.recall.recall(userId, message, { said, caller: signal }) : Promise.resolve([]);
    const { turns, forgetMark } = await beginning;
    const time = new LocalTime(request.timezone ?? this.settings.timeZone, receivedAtMs);
    const received = { message, userId, sessionId, receivedAtMs, forgetMark, isPrivate: !withMemory, traceparent };
    if (withMemory) this.captureTurn(received, { role: 'user', text: message, atMs: receivedAtMs }, turns);
    return { ...received, turns, time, memories: await recalling };
  }

  /** Sends a turn to be remembered, with what was said before it. Nobody waits for it. */
  private captureTurn(
    { userId, sessionId, forgetMark, traceparent }: Omit<Conversation, 'turns' | 'memories' | 'time'>,
    { role, text, atMs }: Omit<Turn, 'isPrivate'>,
    before: readonly Turn[],
  ): void {
    this.capture.capture({
      id: newId(),
      message: text,
      timestampMs: atMs,
      userId,
      sessionId,
      role,
      context: contextOf(before, role, this.settings),
      traceparent,
      ...(forgetMark !== undefined && { forgetMark }),
    });
  }

  private async complete(
    conversation: Conversation,
    prompt: ChatPrompt,
    { text, model, usage, finishReason }: ChatAnswer,
  ): Promise<ChatResponse> {
    const { userId, sessionId, memories } = conversation;
    this.recall.noteStood(
      userId,
      prompt.memories.map(({ memory }) => memory.id),
    );
    if (text.trim() === '') {
      this.logger.warn(`${model} gave an empty answer (finish_reason ${finishReason ?? 'unknown'})`);
    } else {
      await this.remember(conversation, text);
    }
    return {
      response: text,
      engine: 'vorpal',
      model,
      session_id: sessionId,
      memories: memories && prompt.memories.map(toRecalledMemoryBody),
      finish_reason: finishReason,
      usage,
    };
  }

  /** Both turns together: a question without its answer would stand there twice when it is asked again. */
  private async remember(conversation: Conversation, answer: string): Promise<void> {
    const { message, userId, sessionId, receivedAtMs, isPrivate, forgetMark, turns } = conversation;
    const asked: Turn = { role: 'user', text: message, atMs: receivedAtMs, isPrivate };
    const answered: Turn = { role: 'assistant', text: answer, atMs: Date.now(), isPrivate };
    if (this.settings.captureAssistant === 'all' && !isPrivate) {
      const text = beginningOf(answer, this.settings.messageMaxCharacters);
      if (text.trim() !== '') this.captureTurn(conversation, { ...answered, text }, [...turns, asked]);
    }
    await this.sessions.append(userId, sessionId, [asked, answered], forgetMark);
  }
}

/** No answer is a longer memory than a message may be. Cutting must not leave half of a surrogate pair. */
function beginningOf(answer: string, maxCharacters: number): string {
  return answer.length <= maxCharacters ? answer : answer.slice(0, maxCharacters).toWellFormed();
}
