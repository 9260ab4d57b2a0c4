package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"sort"
	"strconv"
)

// json reads a whole JSON text.
func (c *composer) json(text []byte) (any, *place, error) {
	r := jsonReader{composer: c, text: text}
	for i, b := range text {
		if b == '\n' {
			r.breaks = append(r.breaks, i)
		}
	}
	// The whole text first: a Decoder's tokens do not tell where it goes wrong.
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		at := r.position(len(text))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = r.position(int(syntax.Offset) - 1)
		}
		return nil, nil, c.refuse(at, "Template format error: JSON not well-formed. (%s)", at)
	}
	r.dec = json.NewDecoder(bytes.NewReader(text))
	r.dec.UseNumber()
	return r.value(r.next())
}

type jsonReader struct {
	*composer
	text   []byte
	breaks []int // offsets of the newlines
	dec    *json.Decoder
}

func (r *jsonReader) position(offset int) Position {
	offset = max(0, min(offset, len(r.text)))
	line := sort.SearchInts(r.breaks, offset)
	start := 0
	if line > 0 {
		start = r.breaks[line-1] + 1
	}
	return Position{Line: line + 1, Column: offset - start + 1}
}

// next is where the next token begins.
func (r *jsonReader) next() Position {
	at := int(r.dec.InputOffset())
	for at < len(r.text) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text[at]) >= 0 {
		at++
	}
	return r.position(at)
}

// value reads the next value. Its place is at, where its key stands if it has one.
func (r *jsonReader) value(at Position) (any, *place, error) {
	if err := r.enter(at); err != nil {
		return nil, nil, err
	}
	p := &place{Position: at}
	token, err := r.dec.Token()
	if err != nil {
		return nil, nil, r.refuse(at, "Template format error: JSON not well-formed. (%s)", at)
	}
	switch token {
	case json.Delim('{'):
		m := map[string]any{}
		p.members = map[string]*place{}
		for r.dec.More() {
			at := r.next()
			token, err := r.dec.Token()
			key, ok := token.(string)
			if err != nil || !ok {
				return nil, nil, r.refuse(at, "Template format error: JSON not well-formed. (%s)", at)
			}
			if before, twice := p.members[key]; twice {
				return nil, nil, r.duplicate(key, before.Position, at)
			}
			r.push(key)
			if m[key], p.members[key], err = r.value(at); err != nil {
				return nil, nil, err
			}
			r.pop()
		}
		_, err := r.dec.Token()
		return m, p, err
	case json.Delim('['):
		list := []any{}
		for r.dec.More() {
			r.push(strconv.Itoa(len(list)))
			e, ep, err := r.value(r.next())
			if err != nil {
				return nil, nil, err
			}
			r.pop()
			list, p.elements = append(list, e), append(p.elements, ep)
		}
		_, err := r.dec.Token()
		return list, p, err
	}
	return token, p, nil // string, json.Number, bool or nil
}
