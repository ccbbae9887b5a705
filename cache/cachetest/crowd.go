package cachetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"hither/cache"
	"hither/cache/digest"
)

var aboutCrowds = []promise{
	{"two fills of one digest at once both succeed", func(w world) {
		body := content(1, 700_000)
		crowd(w, 2, func(int) error { return refill(w, sha(body), body) })
		w.want("blobs", w.usage().Blobs, int64(1))
		w.want("bytes", w.usage().Bytes, int64(len(body)))
		w.wantBlob(sha(body), body)
	}},
	{"32 fill, read and evict at once", checkCrowd},
}

// crowd runs f n times at once and fails the test with their errors.
func crowd(w world, n int, f func(i int) error) {
	w.t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	w.must(errors.Join(errs...))
}

// refill commits body, in pieces; a full store is none of its business.
func refill(w world, want digest.Digest, body []byte) error {
	writer, err := w.Create(w.ctx(), want)
	if err != nil {
		return err
	}
	defer writer.Close()
	for len(body) > 0 {
		n, err := writer.Write(body[:min(100_000, len(body))])
		if err != nil {
			return err
		}
		body = body[n:]
	}
	return writer.Commit()
}

// checkCrowd has more blobs than fit, so that they are evicted while others read and fill them.
func checkCrowd(w world) {
	bodies := make([][]byte, 24)
	for i := range bodies {
		bodies[i] = content(byte(i), 1000+i*i*1500)
	}
	crowd(w, 32, func(i int) error {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for range 12 {
			body := bodies[random.IntN(len(bodies))]
			switch err := visit(w, random, body); {
			case errors.Is(err, cache.ErrFull):
			case err != nil:
				return err
			}
		}
		return nil
	})
	u := w.usage()
	if u.Bytes < 0 || u.Bytes > Limit || u.Blobs < 0 || u.Blobs > int64(len(bodies)) {
		w.t.Errorf("usage\n got %+v\nwant at most %d bytes in %d blobs", u, Limit, len(bodies))
	}
	for _, body := range bodies {
		w.must(w.Remove(w.ctx(), sha(body)))
	}
	w.want("bytes when all are removed", w.usage().Bytes, int64(0))
	w.want("blobs when all are removed", w.usage().Blobs, int64(0))
}

// visit reads a blob, or fills it if it is not there; now and then it removes it, or abandons a fill.
func visit(w world, random *rand.Rand, body []byte) error {
	name := cache.Name(fmt.Sprint("crowd/", len(body)))
	switch random.IntN(8) {
	case 0:
		return w.Remove(w.ctx(), sha(body))
	case 1:
		writer, err := w.Create(w.ctx(), "")
		if err != nil {
			return err
		}
		defer writer.Close()
		_, err = writer.Write(body)
		return err
	case 2:
		return w.Bind(w.ctx(), name, cache.Entry{Digest: sha(body)})
	}
	b, err := w.Open(w.ctx(), sha(body))
	if errors.Is(err, cache.ErrNotFound) {
		return refill(w, sha(body), body)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	got, err := io.ReadAll(b)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("blob %s has other bytes", sha(body))
	}
	return err
}

// checkFollowers has readers of different pace behind one writer.
func checkFollowers(w world) {
	body := content(5, 1_500_000)
	writer := w.create("")
	done := make(chan struct{})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { follow(w, writer, body, 10_000*(1+i*i*i), done) })
	}
	for i := 0; i < len(body); i += 50_000 {
		w.write(writer, body[i:min(i+50_000, len(body))])
	}
	err := writer.Commit()
	close(done)
	all.Wait()
	w.must(err)
	w.wantBlob(sha(body), body)
}

// follow reads until it has all of want; before done it may find an end that is not yet the end.
func follow(w world, r io.ReaderAt, want []byte, step int, done chan struct{}) {
	p := make([]byte, step)
	for off := 0; off < len(want); {
		n, err := r.ReadAt(p, int64(off))
		if !bytes.Equal(p[:n], want[off:off+n]) {
			w.t.Errorf("other bytes at %d", off)
			return
		}
		off += n
		if err != nil && err != io.EOF {
			w.t.Errorf("at %d: %v", off, err)
			return
		}
		if n > 0 {
			continue
		}
		select {
		case <-done:
			if n, _ := r.ReadAt(p, int64(off)); n == 0 {
				w.t.Errorf("the writer ends at %d\nwant %d", off, len(want))
				return
			}
		case <-time.After(time.Millisecond):
		}
	}
}

func checkClosing(w world) {
	body := content(1, 900_000)
	d := w.fill("", body)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for {
				other := content(byte(10+i), 300_000)
				err := refill(w, sha(other), other)
				if err == nil {
					err = visit(w, rand.New(rand.NewPCG(2, uint64(i))), body)
				}
				if errors.Is(err, cache.ErrClosed) {
					return
				}
				if err != nil && !errors.Is(err, cache.ErrNotFound) && !errors.Is(err, cache.ErrFull) {
					w.t.Errorf("while the store closes\n got %v\nwant %v", err, cache.ErrClosed)
					return
				}
			}
		})
	}
	b := w.open(d)
	time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a store with a disk knows no virtual time; whatever comes first is right
	w.must(w.Close())
	all.Wait()
	b.Close()
}
