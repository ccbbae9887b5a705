package npmrc

import (
	"slices"
	"strings"
)

// Kinds are the kinds of packages that npm may be told to leave out.
func Kinds() []string { return []string{"dev", "optional", "peer"} }

// Omitted are those of Kinds that npm leaves out (@npmcli/config, lib/definitions, buildOmitList): what one level leaves out
// or includes the stronger ones take over, but for what they say themselves of the same key. known is false if that depends
// on a variable that nobody here knows.
func (c Config) Omitted() (omitted []string, known bool) {
	var omit, include []string
	if mode, _ := c.r.env("NODE_ENV"); mode == "production" {
		omit = []string{"dev"}
	}
	words := map[string]string{}
	known = true
	for _, level := range slices.Backward(c.levels) {
		said := 0
		for _, s := range level.settings {
			if !isOmission(s.Name) {
				continue
			}
			values, all := c.expand(s.Values)
			known = known && all
			word := strings.Join(values, "\n")
			if !isTaken(s.Name, word) {
				continue
			}
			said++
			words[s.Name] = word
			switch s.Name {
			case "omit":
				omit = kindsIn(values)
			case "include":
				include = kindsIn(values)
			}
		}
		if said == 0 {
			continue
		}
		less, more := aliases(words)
		omit, include = append(omit, less...), append(include, more...)
		omit = slices.DeleteFunc(omit, func(kind string) bool { return slices.Contains(include, kind) })
	}
	return slices.DeleteFunc(Kinds(), func(kind string) bool { return !slices.Contains(omit, kind) }), known
}

// OmittedBy is Omitted where nothing but a command line says anything.
func OmittedBy(args []string) []string {
	omitted, _ := Config{levels: []Level{readArgs(args)}}.Omitted()
	return omitted
}

// isOmission knows the keys that say what is left out.
func isOmission(name string) bool {
	switch name {
	case "omit", "include", "only", "also", "production", "dev", "optional":
		return true
	}
	return false
}

// isTaken says that npm knows the value of a key. Of one that has other values a weaker level counts.
func isTaken(name, value string) bool {
	switch value = trim(value); name {
	case "only":
		return value == "null" || value == "prod" || value == "production"
	case "also":
		return value == "null" || value == "dev" || value == "development"
	}
	return true
}

// aliases are what the keys that are older than omit and include say in their place.
func aliases(words map[string]string) (omit, include []string) {
	if only := trim(words["only"]); only == "prod" || only == "production" {
		omit = append(omit, "dev")
	} else if on, said := decided(words, "production"); said && on {
		omit = append(omit, "dev")
	} else if said {
		include = append(include, "dev")
	}
	if also := trim(words["also"]); also == "dev" || also == "development" {
		include = append(include, "dev")
	}
	if on, _ := decided(words, "dev"); on {
		include = append(include, "dev")
	}
	if on, said := decided(words, "optional"); said && on {
		include = append(include, "optional")
	} else if said {
		omit = append(omit, "optional")
	}
	return omit, include
}

// decided reads a key that is true, false, or null, which is as if nobody had said it.
func decided(words map[string]string, name string) (on, said bool) {
	value, said := words[name]
	return said && truth(value), said && trim(value) != "null"
}

// kindsIn are the kinds in a list, which the environment holds in one variable. All else says nothing.
func kindsIn(values []string) []string {
	said := map[string]bool{}
	for _, value := range values {
		for word := range strings.SplitSeq(value, "\n\n") {
			said[trim(word)] = true
		}
	}
	return slices.DeleteFunc(Kinds(), func(kind string) bool { return !said[kind] })
}
