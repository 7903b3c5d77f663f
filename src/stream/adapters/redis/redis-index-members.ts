/** Members of the index: the kind (`e`: entry, `d`: dead letter), the user with its length before it, the stream id. */
export const MEMBER_OF = `
  local function member_of(kind, user, stream_id)
    return kind .. #user .. ':' .. user .. ':' .. stream_id
  end
  local function user_in(fields)
    for i = 1, #fields, 2 do
      if fields[i] == 'user_id' then return fields[i + 1] end
    end
  end
`;
