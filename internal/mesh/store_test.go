package mesh

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	bucketByNode    Kind = "test.ByNode"
	bucketByAccount Kind = "test.ByAccount"
)

func testStore() *Store {
	return NewStore([]Index{
		{Of: KindWorkload, Buckets: func(_ Key, v Value) []Key {
			return []Key{{Kind: bucketByNode, Name: v.(*Workload).Node}}
		}},
		{Of: KindWorkload, Buckets: func(k Key, v Value) []Key {
			return []Key{{Kind: bucketByAccount, Namespace: k.Namespace, Name: v.(*Workload).ServiceAccount}}
		}},
	})
}

func workload(name, node, account string) (Key, *Workload) {
	return Key{Kind: KindWorkload, Namespace: "shop", Name: name}, &Workload{Namespace: "shop", Name: name, Node: node, ServiceAccount: account}
}

func TestStoreReportsExactlyTheKeysAndBucketsThatChanged(t *testing.T) {
	k, v := workload("a", "n1", "sa")
	_, moved := workload("a", "n2", "sa")
	node := func(n string) Key { return Key{Kind: bucketByNode, Name: n} }
	account := Key{Kind: bucketByAccount, Namespace: "shop", Name: "sa"}
	cases := map[string]struct {
		before, then Value
		want         Delta
	}{
		"a new value joins its buckets":                {nil, v, Delta{Keys: []Key{k}, Buckets: []Key{account, node("n1")}}},
		"an equal value is no change":                  {v, &Workload{Namespace: "shop", Name: "a", Node: "n1", ServiceAccount: "sa"}, Delta{}},
		"a changed value touches the buckets it moves": {v, moved, Delta{Keys: []Key{k}, Buckets: []Key{node("n1"), node("n2")}}},
		"a deleted value leaves its buckets":           {v, nil, Delta{Keys: []Key{k}, Buckets: []Key{account, node("n1")}}},
		"deleting what is not there is no change":      {nil, nil, Delta{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := testStore()
			s.Put(k, c.before)
			s.TakeDelta()
			s.Put(k, c.then)
			got := s.TakeDelta()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("delta (-want +got):\n%s", diff)
			}
			if !s.TakeDelta().Empty() {
				t.Error("a delta was given twice")
			}
		})
	}
}

func TestListIsSortedAndWhatWasHandedOutStays(t *testing.T) {
	s := testStore()
	for _, name := range []string{"b", "c", "a"} {
		k, v := workload(name, "n1", "sa")
		s.Put(k, v)
	}
	bucket := Key{Kind: bucketByNode, Name: "n1"}
	names := func(keys []Key) (out []string) {
		for _, k := range keys {
			out = append(out, k.Name)
		}
		return out
	}
	first := s.List(bucket)
	k, _ := workload("b", "", "")
	s.Put(k, nil)
	if diff := cmp.Diff([]string{"a", "b", "c"}, names(first)); diff != "" {
		t.Errorf("the list that was handed out changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "c"}, names(s.List(bucket))); diff != "" {
		t.Errorf("the bucket after the delete (-want +got):\n%s", diff)
	}
	if s.Get(k) != nil || s.Len() != 2 {
		t.Error("the deleted value is still stored")
	}
}
