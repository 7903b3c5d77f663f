import { Injectable } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { assertTextLength } from '../http/index.js';
import { newId } from '../shared/index.js';
import { CaptureService } from '../stream/index.js';
import { VorpalClient } from '../vorpal/index.js';
import type { ChatRequest, ChatResponse } from './chat.schema.js';

/** The user of requests that name none: all of them share one memory. */
const ANONYMOUS_USER = 'anonymous';

@Injectable()
export class ChatService {
  constructor(
    private readonly capture: CaptureService,
    private readonly vorpal: VorpalClient,
    private readonly settings: Settings,
  ) {}

  /**
   * Captures the message and answers it with Vorpal. The capture neither delays nor fails the answer, and happens
   * whether or not Vorpal can answer.
   * @throws TextTooLongError before anything is captured; any of the Vorpal errors afterwards
   */
  async answer(request: ChatRequest, traceparent: string | undefined, signal: AbortSignal): Promise<ChatResponse> {
    assertTextLength('message', request.message, this.settings.chat.messageMaxCharacters);
    const sessionId = request.session_id ?? newId();
    this.capture.capture({
      id: newId(),
      message: request.message,
      timestampMs: Date.now(),
      userId: request.user_id ?? ANONYMOUS_USER,
      sessionId,
      role: 'user',
      context: '',
      traceparent,
    });
    const { systemPrompt, maxTokens, temperature } = this.settings.chat;
    const answer = await this.vorpal.chat({
      messages: [
        { role: 'system', content: systemPrompt },
        { role: 'user', content: request.message },
      ],
      maxTokens,
      temperature,
      signal,
    });
    return { response: answer.text, engine: 'vorpal', model: answer.model, session_id: sessionId, usage: answer.usage };
  }
}
