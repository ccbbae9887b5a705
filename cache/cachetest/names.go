package cachetest

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hither/cache"
)

var aboutNames = []promise{
	{"a name that was never bound is not found", func(w world) {
		_, err := w.Lookup(w.ctx(), "nobody")
		w.wantErr("lookup", err, cache.ErrNotFound)
	}},
	{"a name is found as it was bound", func(w world) {
		want := cache.Entry{
			Digest: sha([]byte("x")), Size: 1, Header: map[string]string{"Content-Type": "text/plain; charset=\"ü\""}, Source: "https://mirror.example",
			Vouched: "gosum", Stored: noon, Checked: noon.Add(time.Hour), Took: 42 * time.Millisecond, Value: []byte("\x00\xff"), Pinned: true,
		}
		w.bind("go/host/a b\x00ü#v", want)
		if got := w.lookup("go/host/a b\x00ü#v"); !reflect.DeepEqual(got, want) {
			w.t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	}},
	{"binding again replaces, and other names keep theirs", func(w world) {
		w.bind("a", cache.Entry{Source: "one"})
		w.bind("ab", cache.Entry{Source: "other"})
		w.bind("a", cache.Entry{Source: "two"})
		w.want("a", w.lookup("a").Source, "two")
		w.want("ab", w.lookup("ab").Source, "other")
		w.want("names", w.usage().Names, int64(2))
	}},
	{"entries are copies", func(w world) {
		mine := cache.Entry{Header: map[string]string{"ETag": "1"}, Value: []byte("1")}
		w.bind("a", mine)
		mine.Header["ETag"], mine.Value[0] = "2", '2'
		got := w.lookup("a")
		w.want("header", got.Header["ETag"], "1")
		w.want("value", string(got.Value), "1")
		got.Header["ETag"], got.Value[0] = "3", '3'
		w.want("header", w.lookup("a").Header["ETag"], "1")
		w.want("value", string(w.lookup("a").Value), "1")
	}},
	{"a forgotten name is not found, and forgetting it again is no error", func(w world) {
		w.bind("a", cache.Entry{})
		w.must(w.Forget(w.ctx(), "a"))
		_, err := w.Lookup(w.ctx(), "a")
		w.wantErr("lookup", err, cache.ErrNotFound)
		w.must(w.Forget(w.ctx(), "a"))
		w.want("names", w.usage().Names, int64(0))
	}},
	{"cleared, it has pinned names alone, and who reads a blob reads on", func(w world) {
		d, other := w.fill("", content(1, 700_000)), w.fill("", content(2, 100))
		for i := range 600 {
			w.bind(cache.Name(fmt.Sprint(i)), cache.Entry{Digest: d})
		}
		w.bind("pinned", cache.Entry{Value: []byte("x"), Pinned: true})
		w.wantBlob(other, content(2, 100))
		w.lookup("1")
		open, err := w.Open(w.ctx(), d)
		w.must(err)
		defer open.Close()
		w.must(w.Clear(w.ctx()))
		w.wantGone(d)
		w.wantGone(other)
		_, err = w.Lookup(w.ctx(), "1")
		w.wantErr("lookup", err, cache.ErrNotFound)
		w.want("the pinned name", string(w.lookup("pinned").Value), "x")
		w.want("names", w.usage().Names, int64(1))
		w.want("bytes", w.usage().Bytes, int64(0))
		got, err := io.ReadAll(open)
		w.must(err)
		w.wantBytes("what is read on", got, content(1, 700_000))
		w.wantBlob(w.fill("", content(1, 700_000)), content(1, 700_000))
	}},
	{"forgetting a name keeps the blob", func(w world) {
		d := w.fill("", content(1, 100))
		w.bind("a", cache.Entry{Digest: d})
		w.must(w.Forget(w.ctx(), "a"))
		w.wantBlob(d, content(1, 100))
	}},
	{"swap binds only over what the caller saw", checkSwap},
	{"of many swaps at once one wins", checkSwaps},
	{"all names are listed, and listing stops when told to", func(w world) {
		want := map[cache.Name]string{}
		for i := range 600 {
			name := cache.Name(fmt.Sprintf("rule/host/%d", i))
			want[name] = fmt.Sprint(i)
			w.bind(name, cache.Entry{Source: want[name]})
		}
		w.must(w.Names(w.ctx(), func(name cache.Name, e cache.Entry) bool {
			w.want("entry of "+string(name), e.Source, want[name])
			delete(want, name)
			return true
		}))
		w.want("names not listed", len(want), 0)
		calls := 0
		w.must(w.Names(w.ctx(), func(cache.Name, cache.Entry) bool { calls++; return calls < 3 }))
		w.want("calls", calls, 3)
	}},
	{"names may be changed while they are listed", func(w world) {
		for i := range 10 {
			w.bind(cache.Name(fmt.Sprint(i)), cache.Entry{})
		}
		w.must(w.Names(w.ctx(), func(name cache.Name, _ cache.Entry) bool {
			w.must(w.Forget(w.ctx(), name))
			return true
		}))
		w.want("names", w.usage().Names, int64(0))
	}},
	{"names are bounded, and pinned ones stay", func(w world) {
		w.bind("pinned", cache.Entry{Pinned: true, Value: []byte("tree head")})
		long := strings.Repeat("n", 7<<10)
		for i := range 1200 {
			w.bind(cache.Name(fmt.Sprint(long, i)), cache.Entry{Value: make([]byte, 4<<10)})
		}
		w.want("pinned", string(w.lookup("pinned").Value), "tree head")
		w.lookup(cache.Name(long + "1199"))
		if n := w.usage().Names; n > 1000 {
			w.t.Errorf("names\n got %d\nwant far below 1201", n)
		}
	}},
	{"a name or a value that is too long is refused", func(w world) {
		if w.Bind(w.ctx(), cache.Name(strings.Repeat("n", 8<<10+1)), cache.Entry{}) == nil {
			w.t.Error("a name of more than 8 KiB was bound")
		}
		if w.Bind(w.ctx(), "n", cache.Entry{Value: make([]byte, 4<<10+1)}) == nil {
			w.t.Error("a value of more than 4 KiB was bound")
		}
		_, err := w.Lookup(w.ctx(), cache.Name(strings.Repeat("n", 100_000)))
		w.wantErr("looking up a very long name", err, cache.ErrNotFound)
	}},
	{"a canceled context is obeyed", func(w world) {
		ctx, cancel := context.WithCancel(w.ctx())
		cancel()
		_, err := w.Lookup(ctx, "a")
		w.wantErr("lookup", err, context.Canceled)
		w.wantErr("bind", w.Bind(ctx, "a", cache.Entry{}), context.Canceled)
		_, err = w.Open(ctx, sha(nil))
		w.wantErr("open", err, context.Canceled)
		_, err = w.Create(ctx, "")
		w.wantErr("create", err, context.Canceled)
	}},
}

func checkSwap(w world) {
	none, one, two := cache.Entry{}, cache.Entry{Value: []byte("1")}, cache.Entry{Digest: sha(nil), Value: []byte("1")}
	for _, step := range []struct {
		sentence string
		old, new cache.Entry
		want     error
	}{
		{"from something, when nothing is bound", one, two, cache.ErrConflict},
		{"from nothing, when nothing is bound", none, one, nil},
		{"from nothing, when something is bound", none, two, cache.ErrConflict},
		{"from another digest", two, one, cache.ErrConflict},
		{"from what is bound", one, two, nil},
		{"from another value", cache.Entry{Digest: sha(nil), Value: []byte("2")}, one, cache.ErrConflict},
		{"from what is bound, with other headers", cache.Entry{Digest: two.Digest, Value: two.Value, Source: "x"}, one, nil},
	} {
		err := w.Swap(w.ctx(), "a", step.old, step.new)
		if step.want == nil {
			w.must(err)
			w.want(step.sentence, string(w.lookup("a").Value), string(step.new.Value))
		} else {
			w.wantErr(step.sentence, err, step.want)
		}
	}
}

func checkSwaps(w world) {
	var wins atomic.Int32
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			old := cache.Entry{}
			for round := range 4 {
				new := cache.Entry{Value: fmt.Append(nil, round, i)}
				if w.Swap(w.ctx(), "head", old, new) == nil {
					wins.Add(1)
				}
				old, _ = w.Lookup(w.ctx(), "head")
			}
		})
	}
	all.Wait()
	if n := wins.Load(); n < 1 || n > 128 {
		w.t.Fatalf("wins\n got %d\nwant 1 to 128", n)
	}
	// Now exactly: all start from the same entry.
	start := w.lookup("head")
	wins.Store(0)
	for i := range 32 {
		all.Go(func() {
			if w.Swap(w.ctx(), "head", start, cache.Entry{Value: fmt.Append(nil, "last", i)}) == nil {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	w.want("wins from one start", wins.Load(), int32(1))
}
