package cachetest

import (
	"io"

	"hither/cache/digest"
)

var aboutWriters = []promise{
	{"nothing is visible before commit", func(w world) {
		body := content(1, 600_000)
		writer := w.create(sha(body))
		w.write(writer, body)
		w.wantGone(sha(body))
		w.want("name before commit", writer.Digest(), digest.Digest(""))
		w.want("blobs", w.usage().Blobs, int64(0))
		w.must(writer.Commit())
		w.wantBlob(sha(body), body)
	}},
	{"a writer reads what it has taken, while it takes more, and after commit", func(w world) {
		body := content(2, 900_000)
		writer := w.create("")
		for end := 0; end < len(body); {
			step := min(70_001, len(body)-end)
			w.write(writer, body[end:end+step])
			end += step
			w.readBack(writer, body[:end])
		}
		w.must(writer.Commit())
		w.readBack(writer, body)
		w.must(w.Remove(w.ctx(), writer.Digest()))
		w.readBack(writer, body) // evicted, but we have not closed
	}},
	{"readers follow a writer", checkFollowers},
	{"small writes and large ones make the same blob", func(w world) {
		body := content(3, 300_000)
		writer := w.create("")
		for i := 0; i < len(body); {
			n := min(1+i%777, len(body)-i)
			w.write(writer, body[i:i+n])
			i += n
		}
		w.must(writer.Commit())
		w.wantBlob(sha(body), body)
	}},
	{"a writer may reuse its buffer", func(w world) {
		body := content(4, 600_000)
		writer := w.create("")
		p := make([]byte, 100_000)
		for i := 0; i < len(body); i += len(p) {
			copy(p, body[i:])
			w.write(writer, p)
			clear(p)
		}
		w.must(writer.Commit())
		w.wantBlob(sha(body), body)
	}},
	{"bytes that do not match leave nothing", func(w world) {
		for _, size := range []int{100, 700_000} {
			writer := w.create(sha([]byte("others")))
			w.write(writer, content(5, size))
			w.wantErr("commit", writer.Commit(), digest.ErrMismatch)
			w.want("name", writer.Digest(), digest.Digest(""))
			w.must(writer.Close())
			w.wantGone(sha([]byte("others")))
			w.wantGone(sha(content(5, size)))
			w.want("blobs", w.usage().Blobs, int64(0))
		}
	}},
	{"a fill closed without commit leaves nothing and frees its room", func(w world) {
		for i := range 8 { // more than fits, were it not freed
			writer := w.create("")
			w.write(writer, content(byte(i), Limit/4))
			w.must(writer.Close())
			w.wantGone(sha(content(byte(i), Limit/4)))
		}
		w.want("bytes", w.usage().Bytes, int64(0))
		w.fill("", content(9, Limit/4))
	}},
	{"committing twice is no error", func(w world) {
		writer := w.create("")
		w.write(writer, content(6, 100))
		w.must(writer.Commit())
		w.must(writer.Commit())
		w.want("blobs", w.usage().Blobs, int64(1))
	}},
	{"committing what is there is no error, and is counted once", func(w world) {
		body := content(7, 600_000)
		w.fill(sha(body), body)
		writer := w.create(sha(body))
		w.write(writer, body)
		w.must(writer.Commit())
		w.want("name", writer.Digest(), sha(body))
		w.readBack(writer, body)
		w.must(writer.Close())
		w.want("blobs", w.usage().Blobs, int64(1))
		w.want("bytes", w.usage().Bytes, int64(len(body)))
		w.wantBlob(sha(body), body)
	}},
	{"a writer takes nothing after commit or close", func(w world) {
		writer := w.create("")
		w.write(writer, content(8, 100))
		w.must(writer.Commit())
		if n, err := writer.Write([]byte("more")); n != 0 || err == nil {
			w.t.Errorf("Write after Commit\n got %d, %v\nwant an error", n, err)
		}
		w.must(writer.Close())
		w.must(writer.Close())
		writer = w.create("")
		w.write(writer, content(9, 100))
		w.must(writer.Close())
		if n, err := writer.Write([]byte("more")); n != 0 || err == nil {
			w.t.Errorf("Write after Close\n got %d, %v\nwant an error", n, err)
		}
		if writer.Commit() == nil {
			w.t.Error("Commit after Close made a blob")
		}
		w.wantGone(sha(content(9, 100)))
	}},
}

// readBack checks that r holds want and ends there.
func (w world) readBack(r io.ReaderAt, want []byte) {
	w.t.Helper()
	got := make([]byte, len(want)+10)
	n, err := r.ReadAt(got, 0)
	w.want("error at the end of what was taken", err, io.EOF)
	w.wantBytes("what was taken", got[:n], want)
	if len(want) > 1000 {
		n, err = r.ReadAt(got[:500], int64(len(want)-600))
		w.must(err)
		w.wantBytes("its tail", got[:n], want[len(want)-600:len(want)-100])
	}
}
