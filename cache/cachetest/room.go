package cachetest

import (
	"errors"
	"io"

	"hither/cache"
	"hither/cache/digest"
)

var aboutRoom = []promise{
	{"the blobs used longest ago make room", func(w world) {
		const size = Limit / 16
		var all []digest.Digest
		for i := range 12 {
			all = append(all, w.fill("", content(byte(i), size)))
		}
		w.open(all[0]).Close() // used again: the second is now the oldest
		for i := range 6 {
			w.fill("", content(byte(100+i), size))
		}
		w.wantBlob(all[0], content(0, size))
		w.wantGone(all[1])
		w.wantBlob(sha(content(105, size)), content(105, size))
		u := w.usage()
		w.want("the cap", u.Limit, int64(Limit))
		if u.Bytes > u.Limit {
			w.t.Errorf("bytes\n got %d\nwant at most %d", u.Bytes, u.Limit)
		}
		w.want("bytes of all blobs", u.Bytes, u.Blobs*size)
	}},
	{"a reader stays good while its blob is evicted", func(w world) {
		body := content(1, 1<<20)
		d := w.fill("", body)
		b := w.open(d)
		for i := range 16 {
			w.fill("", content(byte(50+i), 1<<20))
		}
		w.wantGone(d)
		got, err := io.ReadAll(b)
		w.must(err)
		w.wantBytes("the evicted blob", got, body)
		w.must(b.Close())
		w.want("name of the same, filled again", w.fill("", body), d)
		w.wantBlob(d, body)
	}},
	{"a blob that does not fit is ErrFull, and what was there stays", func(w world) {
		small := w.fill("", content(1, 1000))
		writer := w.create("")
		taken, err := stuff(writer, 2*Limit)
		w.wantErr("write", err, cache.ErrFull)
		if taken > Limit {
			w.t.Errorf("bytes taken\n got %d\nwant at most %d", taken, Limit)
		}
		n, err := writer.Write([]byte("more"))
		w.want("bytes taken after ErrFull", n, 0)
		w.wantErr("write again", err, cache.ErrFull)
		w.wantErr("commit", writer.Commit(), cache.ErrFull)
		w.readBack(writer, make([]byte, taken)) // who follows must still get what was taken
		w.must(writer.Close())
		w.wantBlob(small, content(1, 1000))
		w.fill("", content(2, Limit/4)) // the room is free again
	}},
	{"fills under way count, and together are ErrFull", func(w world) {
		var last error
		for i := 0; i < 8 && last == nil; i++ {
			_, last = stuff(w.create(""), Limit/4)
		}
		w.wantErr("the last fill", last, cache.ErrFull)
	}},
	{"fills under way together do not drive out everything", func(w world) {
		body := content(1, Limit/4)
		d := w.fill("", body)
		for range 16 {
			_, _ = stuff(w.create(""), Limit/8)
		}
		w.wantBlob(d, body)
	}},
}

// stuff writes up to n zeros and returns how many were taken.
func stuff(writer io.Writer, n int) (int, error) {
	taken := 0
	p := make([]byte, 50_000)
	for taken < n {
		k, err := writer.Write(p[:min(len(p), n-taken)])
		taken += k
		if err != nil {
			return taken, err
		}
	}
	return taken, nil
}

var aboutClosing = []promise{
	{"a closed store says so", func(w world) {
		d := w.fill("", content(1, 300_000))
		writer := w.create("")
		w.must(w.Close())
		_, err := w.Lookup(w.ctx(), "a")
		w.wantErr("lookup", err, cache.ErrClosed)
		w.wantErr("bind", w.Bind(w.ctx(), "a", cache.Entry{}), cache.ErrClosed)
		w.wantErr("swap", w.Swap(w.ctx(), "a", cache.Entry{}, cache.Entry{}), cache.ErrClosed)
		w.wantErr("forget", w.Forget(w.ctx(), "a"), cache.ErrClosed)
		_, err = w.Open(w.ctx(), d)
		w.wantErr("open", err, cache.ErrClosed)
		_, err = w.Create(w.ctx(), "")
		w.wantErr("create", err, cache.ErrClosed)
		w.wantErr("remove", w.Remove(w.ctx(), d), cache.ErrClosed)
		_, err = w.Usage(w.ctx())
		w.wantErr("usage", err, cache.ErrClosed)
		w.wantErr("names", w.Names(w.ctx(), func(cache.Name, cache.Entry) bool { return true }), cache.ErrClosed)
		_, err = stuff(writer, 600_000)
		if err == nil {
			err = writer.Commit()
		}
		w.wantErr("write and commit", err, cache.ErrClosed)
		w.must(writer.Close())
		if err := w.Close(); err != nil && !errors.Is(err, cache.ErrClosed) {
			w.t.Errorf("closing again\n got %v\nwant nil or %v", err, cache.ErrClosed)
		}
	}},
	{"closing while others read and fill upsets nobody", checkClosing},
}
