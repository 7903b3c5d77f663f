import { Module, type OnModuleInit } from '@nestjs/common';
import { MemoryModule } from '../memory/index.js';
import { SessionsModule } from '../sessions/index.js';
import { CaptureService, StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { AnswerLimit } from './answer-limit.js';
import { ChatController } from './chat.controller.js';
import { ChatService } from './chat.service.js';
import { PromptFitter } from './prompt/prompt-fitter.js';

@Module({
  imports: [StreamModule, SessionsModule, MemoryModule, VorpalModule],
  controllers: [ChatController],
  providers: [ChatService, PromptFitter, AnswerLimit],
})
export class ChatModule implements OnModuleInit {
  constructor(private readonly capture: CaptureService) {}

  async onModuleInit(): Promise<void> {
    await this.capture.start();
  }
}
