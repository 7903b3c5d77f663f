import { Body, Controller, Headers, HttpCode, Post, type StreamableFile } from '@nestjs/common';
import { ClientSignal, type SendEvents, ServerSentEvents } from '../http/index.js';
import { type ChatRequest, chatRequestSchema, type ChatResponse } from './chat.schema.js';
import { ChatService } from './chat.service.js';
import { readTraceparent } from './traceparent.js';

@Controller('chat')
export class ChatController {
  constructor(private readonly chat: ChatService) {}

  @Post()
  @HttpCode(200)
  answer(
    @Body({ schema: chatRequestSchema }) request: ChatRequest,
    @Headers('traceparent') traceparent: string | undefined,
    @ClientSignal() signal: AbortSignal,
    @ServerSentEvents() send: SendEvents,
  ): Promise<ChatResponse | StreamableFile> {
    const trace = readTraceparent(traceparent);
    if (request.stream) return send(this.chat.stream(request, trace, signal));
    return this.chat.answer(request, trace, signal);
  }
}
