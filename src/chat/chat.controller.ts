import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ClientSignal } from '../http/index.js';
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
  ): Promise<ChatResponse> {
    return this.chat.answer(request, readTraceparent(traceparent), signal);
  }
}
