import { Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  deadLetterIdSchema,
  type DeadLettersQuery,
  deadLettersQuerySchema,
  toDeadLetterBody,
  toDeadLetterSummary,
} from './dead-letters.schema.js';
import { DeadLetterStore } from './dead-letter-store.port.js';

/** Entries that no worker could process, of all users, for the operator. */
@Controller('dead-letters')
export class DeadLettersController {
  constructor(private readonly deadLetters: DeadLetterStore) {}

  /** A page, oldest first; `next_cursor` asks for the one after it and is `null` at the end. */
  @Get()
  async list(@Query({ schema: deadLettersQuerySchema }) { limit, cursor }: DeadLettersQuery) {
    // One more than is shown tells whether there is another page.
    const found = await this.deadLetters.list({
      limit: limit + 1,
      ...(cursor !== undefined && { after: cursor }),
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      dead_letters: page.map(toDeadLetterSummary),
      next_cursor: found.length > limit && last ? last.handle : null,
    };
  }

  @Get(':id')
  async get(@Param('id', { schema: deadLetterIdSchema }) id: string) {
    return toDeadLetterBody(await this.deadLetters.find(id));
  }

  /** Answers with the id under which `GET /decisions` will show what became of it. */
  @Post(':id/requeue')
  @HttpCode(200)
  async requeue(@Param('id', { schema: deadLetterIdSchema }) id: string) {
    return { entry_id: (await this.deadLetters.requeue(id)).id };
  }

  @Delete(':id')
  @HttpCode(204)
  async drop(@Param('id', { schema: deadLetterIdSchema }) id: string): Promise<void> {
    await this.deadLetters.drop(id);
  }
}
