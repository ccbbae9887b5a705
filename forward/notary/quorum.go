package notary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hither/rules"
)

const (
	// pollPatience is how long one mirror may take to say what a tag means.
	pollPatience = 5 * time.Second
	// pollWait bounds a poll as a whole, however many mirrors there are.
	pollWait = 15 * time.Second
	// pollWidth is how many mirrors are asked at the same time, in the order of the rule file.
	pollWidth = 4
	// dissentWait is how long the others are waited for when mirrors contradict each other, or when the word of one would
	// do: a liar must not win because it is quick.
	dissentWait = time.Second
	// maxTold bounds what is remembered of the log, in answers.
	maxTold = 4096
)

// The words that begin Attestation.By.
const (
	byQuorum = "quorum of "
	byOne    = "the word of one mirror, "
)

// Hearsay reports that bytes were named by mirrors in the origin's place: it takes Attestation.By, and what of it was kept
// as cache.Entry.Vouched.
func Hearsay(by string) bool {
	return strings.HasPrefix(by, byQuorum) || strings.HasPrefix(by, byOne)
}

// polls says whether mirrors may be asked what the origin does not answer.
func (t *Tag) polls(m rules.Match) bool {
	return t.Poll != nil && m.Path != nil && m.Path.From == rules.FromQuorum
}

// askMirrors finds out what mirrors say that a tag means, because the origin is silent. What they do not have is not gone:
// only the origin can say that.
func (t *Tag) askMirrors(ctx context.Context, m rules.Match, repo string, silence error) (Attestation, error) {
	mirrors := voters(m)
	if len(mirrors) == 0 {
		return Attestation{}, fmt.Errorf("asking the registry what %s means: %w; and the rule %s has no mirror to ask in its place; try again later", m.Clean, silence, m.Rule.Name)
	}
	alone := slices.Contains(t.TrustOne, m.Rule.Name)
	said, err := t.poll(ctx, m, mirrors, alone)
	if err != nil {
		return Attestation{}, fmt.Errorf("asking the registry what %s means: %w; and its mirrors: %w", m.Clean, silence, err)
	}
	a := attestManifest(repo, said[0].digest)
	a.By = signature(said)
	if !slices.ContainsFunc(said, func(v vote) bool { return v.kind != said[0].kind }) {
		a.Header["Content-Type"] = said[0].kind
	}
	t.tell(m, a, silence)
	return a, nil
}

// voters are the mirrors whose words are worth asking for.
func voters(m rules.Match) []rules.Source {
	return slices.DeleteFunc(m.Sources(), func(s rules.Source) bool { return s.Origin || !isPrivy(s.Base) })
}

// signature names who said so, in an order that does not depend on who was first.
func signature(said []vote) string {
	var hosts []string
	for _, v := range said {
		hosts = append(hosts, hostOf(v.base))
	}
	slices.Sort(hosts)
	if len(hosts) == 1 {
		return byOne + hosts[0]
	}
	return byQuorum + strings.Join(hosts, " and ")
}

// tell logs once that mirrors named the bytes of an answer.
func (t *Tag) tell(m rules.Match, a Attestation, silence error) {
	key := m.Name + " " + a.Digest.String()
	if _, known := t.told.get(key); known {
		return
	}
	t.told.put(key, struct{}{}, 1, maxTold)
	t.log().Warn("the origin does not answer, so mirrors said what a tag means", "name", m.Name, "digest", a.Digest, "by", a.By, "error", silence)
}

// poll asks mirrors until the question is decided, and leaves nobody behind who still asks. It returns the votes that
// decided: two, or one if one will do alone.
func (t *Tag) poll(whole context.Context, m rules.Match, mirrors []rules.Source, alone bool) ([]vote, error) {
	ctx, cancel := context.WithTimeout(whole, pollWait)
	votes := make(chan vote, len(mirrors))
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	var next atomic.Int64
	for range min(pollWidth, len(mirrors)) {
		asking.Go(func() {
			for i := next.Add(1); i <= int64(len(mirrors)); i = next.Add(1) {
				votes <- t.ask(ctx, m, mirrors[i-1])
			}
		})
	}
	b := &ballot{rule: m.Rule}
	b.count(ctx, votes, len(mirrors), alone)
	if err := whole.Err(); err != nil {
		return nil, err
	}
	return b.decide(alone)
}

// ask asks one mirror.
func (t *Tag) ask(ctx context.Context, m rules.Match, src rules.Source) vote {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return vote{base: src.Base, err: err}
	}
	header, status, err := t.Poll(ctx, m, src)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("did not answer within %s", pollPatience)
	}
	if err != nil {
		return vote{base: src.Base, err: err}
	}
	return readVote(m, src.Base, header, status)
}

// count takes votes until two independent mirrors agree and nobody contradicts them, or all have voted. If somebody does,
// or if one vote would do, the others have a while to show what they think. It also ends with ctx.
func (b *ballot) count(ctx context.Context, votes <-chan vote, n int, alone bool) {
	var enough <-chan time.Time
	for range n {
		select {
		case v := <-votes:
			b.add(v)
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
		pairs, named := len(b.elected()), len(b.named())
		if pairs == 1 && named == 1 || pairs > 1 {
			return
		}
		if enough == nil && (pairs == 1 || alone && named > 0) {
			enough = time.After(dissentWait)
		}
	}
}

// decide says whose word counts. Two camps of two are no quorum, and two single mirrors that contradict each other are not
// even the word of one.
func (b *ballot) decide(alone bool) ([]vote, error) {
	pairs, named := b.elected(), b.named()
	switch {
	case len(pairs) == 1:
		return pairs[0][:], nil
	case len(pairs) > 1:
		return nil, fmt.Errorf("mirrors that agree with each other contradict others that do (%s); try again later", b)
	case len(named) == 1 && alone:
		return []vote{b.first()}, nil
	case len(named) == 1:
		return nil, fmt.Errorf("there are no two of different operators that agree (%s); try again later, "+
			"or name the rule in trust-one-mirror if the word of a single mirror is enough for you", b)
	case len(named) > 1:
		return nil, fmt.Errorf("no two of different operators agree (%s); try again later", b)
	}
	return nil, fmt.Errorf("none of them says what the tag means (%s); try again later", b)
}
