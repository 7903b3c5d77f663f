import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  type StreamableFile,
} from '@nestjs/common';
import { assertTextLength, ClientSignal, NdjsonBody, streamedAnswer } from '../../http/index.js';
import { ForgetService } from './forget.service.js';
import { type ImportLine, ImportService } from '../maintenance/import.service.js';
import { LineDefaults, readImportedMemory } from '../maintenance/imported-memory.js';
import { listCursor } from './list-cursor.js';
import { toFoundBody, toImportBody, toKeptBody, toMemoryBody, toUsageBody } from './memory-bodies.js';
import type { Memory } from '../memory.js';
import {
  type AddMemoriesRequest,
  addMemoriesSchema,
  type AddMemoryRequest,
  addMemorySchema,
  type EditMemoryRequest,
  editMemorySchema,
  type ListQuery,
  listQuerySchema,
  memoryIdSchema,
  namedOwnerQuerySchema,
  type OwnerQuery,
  ownerQuerySchema,
  type SearchMemoriesRequest,
  searchMemoriesSchema,
  toDraft,
  toEdit,
  toListFilter,
  toSearchFilter,
} from './memory.schema.js';
import { MemoryService } from './memory.service.js';
import { readNdjson } from './ndjson.js';
import { httpSettings, type HttpSettings } from '../../http/index.js';
import { memorySettings, type MemorySettings } from '../memory.settings.js';

/** The memories of a user, for the user. */
@Controller('memories')
export class MemoriesController {
  constructor(
    private readonly memories: MemoryService,
    private readonly importing: ImportService,
    private readonly forgetting: ForgetService,
    @Inject(memorySettings.KEY) private readonly settings: MemorySettings,
    @Inject(httpSettings.KEY) private readonly http: HttpSettings,
  ) {}

  @Post()
  async add(@Body({ schema: addMemorySchema }) request: AddMemoryRequest, @ClientSignal() signal: AbortSignal) {
    this.assertLength(request.text);
    const { user_id: userId, ...draft } = request;
    const [memory] = await this.memories.add(userId, [toDraft(draft)], { signal });
    return memory && toKeptBody(memory);
  }

  @Post('batch')
  async addBatch(
    @Body({ schema: addMemoriesSchema }) request: AddMemoriesRequest,
    @ClientSignal() signal: AbortSignal,
  ) {
    for (const { text } of request.memories) this.assertLength(text);
    const memories = await this.memories.add(request.user_id, request.memories.map(toDraft), { signal });
    return { memories: memories.map(toKeptBody) };
  }

  @Post('search')
  @HttpCode(200)
  async search(
    @Body({ schema: searchMemoriesSchema }) request: SearchMemoriesRequest,
    @ClientSignal() signal: AbortSignal,
  ) {
    this.assertLength(request.query);
    const { limit, mode } = request;
    const options = { limit, mode, filter: toSearchFilter(request) };
    const found = await this.memories.search(request.user_id, request.query, options, { signal });
    return { memories: found.map(toFoundBody) };
  }

  /** A page, newest first; `next_cursor` asks for the one after it and is `null` at the end. */
  @Get()
  async list(@Query({ schema: listQuerySchema }) query: ListQuery) {
    const { user_id: userId, limit, cursor } = query;
    // One more than is shown tells whether there is another page.
    const found = await this.memories.list(userId, {
      limit: limit + 1,
      filter: toListFilter(query),
      ...(cursor && { after: cursor }),
    });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return { memories: page.map(toMemoryBody), next_cursor: found.length > limit && last ? listCursor(last) : null };
  }

  /** How much the user has, and may have. */
  @Get('usage')
  async usage(@Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery) {
    return toUsageBody(await this.memories.usage(userId), this.settings);
  }

  @Get('export')
  export(@Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery): StreamableFile {
    return streamedAnswer(linesOf(this.memories.export(userId)), 'application/x-ndjson');
  }

  /** Reports the outcome of each line. Invalid lines do not keep the others from being imported. */
  @Post('import')
  @HttpCode(200)
  async import(
    @Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery,
    @NdjsonBody() body: AsyncIterable<Uint8Array>,
    @ClientSignal() signal: AbortSignal,
  ) {
    return toImportBody(await this.importing.import(userId, this.readLines(body, userId), { signal }));
  }

  @Get(':id')
  async get(
    @Param('id', { schema: memoryIdSchema }) id: string,
    @Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery,
  ) {
    return toMemoryBody(await this.memories.get(userId, id));
  }

  /** A new text makes a new memory, which supersedes this one; the rest is changed in place. */
  @Patch(':id')
  async edit(
    @Param('id', { schema: memoryIdSchema }) id: string,
    @Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery,
    @Body({ schema: editMemorySchema }) request: EditMemoryRequest,
    @ClientSignal() signal: AbortSignal,
  ) {
    if (request.text !== undefined) this.assertLength(request.text);
    return toKeptBody(await this.memories.edit(userId, id, toEdit(request), { signal }));
  }

  /** It was taken for superseded, and is not. */
  @Delete(':id/superseded_by')
  @HttpCode(200)
  async reinstate(
    @Param('id', { schema: memoryIdSchema }) id: string,
    @Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery,
  ) {
    return toMemoryBody(await this.memories.reinstate(userId, id));
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(
    @Param('id', { schema: memoryIdSchema }) id: string,
    @Query({ schema: ownerQuerySchema }) { user_id: userId }: OwnerQuery,
  ): Promise<void> {
    await this.memories.delete(userId, id);
  }

  /** Everything of a user. */
  @Delete()
  @HttpCode(200)
  forget(@Query({ schema: namedOwnerQuerySchema }) { user_id: userId }: OwnerQuery) {
    return this.forgetting.forget(userId);
  }

  private async *readLines(body: AsyncIterable<Uint8Array>, userId: string): AsyncGenerator<ImportLine, void> {
    const defaults = new LineDefaults();
    for await (const read of readNdjson(body, this.http.bodyLimitBytes)) {
      if ('problem' in read) yield read;
      else yield { line: read.line, ...this.readMemory(read.value, userId, defaults) };
    }
  }

  private readMemory(value: unknown, userId: string, defaults: LineDefaults) {
    const { messageMaxCharacters: most } = this.http;
    const read = readImportedMemory(value, userId, defaults);
    if ('problem' in read || read.memory.text.length <= most) return read;
    return { problem: `text: has ${read.memory.text.length} characters; at most ${most} are accepted` };
  }

  private assertLength(text: string): void {
    assertTextLength('text', text, this.http.messageMaxCharacters);
  }
}

async function* linesOf(memories: AsyncIterable<Memory>): AsyncGenerator<string, void> {
  for await (const memory of memories) yield `${JSON.stringify(toMemoryBody(memory))}\n`;
}
