//go:build linux

package main

import (
	"context"

	"hither/bench/lab"
)

func imageCells() []string {
	return []string{"image0", "blob0.1", "image0.1", "blob1", "image1", "skopeo0", "skopeo0.1", "own0", "own1", "ownskopeo1"}
}

// imageRow is the first part of Done-when 3. Its bounds were made for a client that fetches three layers at once, as dockerd
// and containerd do; skopeo, which fetches six, is beside it without one.
func imageRow(ctx context.Context, w *world, r *report) error {
	id, err := w.shelf.addImage("bench", 5, 40<<20)
	if err != nil {
		return err
	}
	ownID, err := w.shelf.addImage(ownImage, 5, 40<<20)
	if err != nil {
		return err
	}
	digest, err := w.shelf.addBlob("seven", 7<<20)
	if err != nil {
		return err
	}
	image, own, other, one := dockerPull("bench", id), dockerPull(ownImage, ownID), pull("bench"), blob("seven", "library/seven", digest)
	at := func(loss float64) line { return line{rtt: 200, loss: loss, rate: 100} }
	cells := []cell{
		{"image0", "docker pull, 5 layers, 40 MiB", at(0), image, []bound{{level1, 0.70}}},
		{"blob0.1", "curl, 7 MiB", at(0.1), one, []bound{{level1, 0.25}}},
		{"image0.1", "docker pull, 5 layers, 40 MiB", at(0.1), image, []bound{{level1, 0.20}}},
		{"blob1", "curl, 7 MiB", at(1), one, []bound{{level1, 0.30}}},
		{"image1", "docker pull, 5 layers, 40 MiB", at(1), image, []bound{{level1, 0.20}}},
		{"skopeo0", "skopeo, 5 layers, 40 MiB", at(0), other, []bound{{level1, 0}}},
		{"skopeo0.1", "skopeo, 5 layers, 40 MiB", at(0.1), other, []bound{{level1, 0}}},
		{"own0", "docker pull, 5 layers, 40 MiB, from the registry itself", at(0), own, []bound{{level1, 0.70}}},
		{"own1", "docker pull, 5 layers, 40 MiB, from the registry itself", at(1), own, []bound{{level1, 0.20}}},
		{"ownskopeo1", "skopeo, 5 layers, 40 MiB, from the registry itself", line{rtt: 50, loss: 1, rate: 100}, pull(ownImage), []bound{{level1, 1.10}}},
	}
	if w.brief() {
		cells = cells[:2]
	}
	return w.compareAll(ctx, r, cells)
}

// cappedLinks are three sources that give 20 Mbit/s each. Each sends as slowly as it may to anybody, so that together
// they are three times as fast.
func cappedLinks() []lab.Link {
	return []lab.Link{{Name: farLink, RTT: 200, Rate: 20}, {Name: "east", RTT: 200, Rate: 20}, {Name: "west", RTT: 200, Rate: 20}}
}

// sharedLinks are three sources whose sum is the user's own line. More than one of them gains nothing there.
func sharedLinks() []lab.Link {
	const access = 50
	return []lab.Link{{Name: farLink, RTT: 200, Rate: 100, Access: access}, {Name: "east", RTT: 30, Rate: 100, Access: access}, {Name: "west", RTT: 60, Rate: 100, Access: access}}
}

// bigBlob is what is fetched from three sources, in bytes.
const bigBlob = 39 << 20

// cappedRow is the part of Done-when 3 about sources that are slow by themselves.
func cappedRow(ctx context.Context, w *world, r *report) error {
	if w.brief() {
		return nil
	}
	c, err := w.manySources()
	if err != nil {
		return err
	}
	return w.compare(ctx, r, cell{"capped", "curl, 39 MiB, three sources", line{rtt: 200, rate: 20}, c, []bound{{level1, 0.40}}})
}

// sharedRow is the part about the user's own line. Direct is the nearest source alone, asked by the client, which needs no token there.
func sharedRow(ctx context.Context, w *world, r *report) error {
	if w.brief() {
		return nil
	}
	c, err := w.manySources()
	if err != nil {
		return err
	}
	c.name = "curl shared"
	c.direct = nearest(c.argv)
	line, bounds := line{rtt: 200, rate: 100}, []bound{{level1, 1.05}}
	if err := w.compare(ctx, r, cell{"shared", "curl, 39 MiB, three behind one line / the nearest", line, c, bounds}); err != nil {
		return err
	}
	return w.besideFewer(ctx, r, cell{"sharedby", "curl, 39 MiB, Hither with three behind one line / with the nearest", line, c, bounds})
}

// besideFewer is what more mirrors cost: Hither with the origin and the nearest mirror, and Hither with all, in turn.
func (w *world) besideFewer(ctx context.Context, r *report, c cell) error {
	if !w.wants(r.row.name, c.name) {
		return nil
	}
	if err := w.shape(ctx, c.line); err != nil {
		return err
	}
	runs := map[way][]outcome{}
	for range w.most() {
		for _, how := range []way{direct, level1} {
			mirrors := w.mirrors()
			if how == direct {
				mirrors = mirrors[:1]
			}
			if err := w.writeRules(mirrors); err != nil {
				return err
			}
			o, err := w.undisturbed(ctx, r, c.client, level1)
			if err != nil {
				return err
			}
			runs[how] = append(runs[how], o)
		}
	}
	r.compared(c, runs)
	return nil
}

// manySources has Docker Hub and its two mirrors offer one blob.
func (w *world) manySources() (client, error) {
	digest, err := w.shelf.addBlob("big", bigBlob)
	if err != nil {
		return client{}, err
	}
	return blob("big", "library/big", digest), w.writeRules(w.mirrors())
}

// mirrors are the base URLs of all links but the first, the nearest first.
func (w *world) mirrors() (all []string) {
	for _, link := range w.Links[1:] {
		all = append(all, "https://"+mirrorHost(link.Name))
	}
	return all
}

// nearest is the same request to the mirror in the east.
func nearest(argv []string) []string {
	path := argv[len(argv)-1][len("http://"+lab.ProxyAddr):]
	return []string{"curl", "-sS", "--fail", "-o", "blob", "https://" + mirrorHost("east") + path}
}
