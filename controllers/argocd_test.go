package controllers

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
)

// healthOf is what Argo CD says where kstatus says the key.
var healthOf = map[status.Status]string{
	status.CurrentStatus: "Healthy", status.InProgressStatus: "Progressing", status.FailedStatus: "Degraded", status.TerminatingStatus: "Progressing",
}

// argoHealth runs the health check that we ship, as Argo CD would: the object
// is the global obj, the answer a table.
func argoHealth(t *testing.T, object map[string]any) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	lua.OpenBase(state)
	state.SetGlobal("obj", luaValue(state, object))
	if err := state.DoFile("../docs/gitops/argocd-health.lua"); err != nil {
		t.Fatal(err)
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("it returns %v", state.Get(-1))
	}
	return answer.RawGetString("status").String(), lua.LVAsString(answer.RawGetString("message"))
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range v {
			table.RawSetString(key, luaValue(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range v {
			table.Append(luaValue(state, item))
		}
		return table
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	}
	return lua.LNil
}

func TestArgoWaitsForAMeshInstallThatNobodyLookedAt(t *testing.T) {
	cases := map[string]map[string]any{
		"without a status":   {"metadata": map[string]any{"generation": int64(1)}},
		"without conditions": {"metadata": map[string]any{"generation": int64(1)}, "status": map[string]any{"observedGeneration": int64(1)}},
		"without a headline": {"metadata": map[string]any{"generation": int64(1)}, "status": map[string]any{"observedGeneration": int64(1), "conditions": []any{}}},
	}
	for name, object := range cases {
		t.Run(name, func(t *testing.T) {
			if health, message := argoHealth(t, object); health != "Progressing" || message == "" {
				t.Errorf("health is %s, %q", health, message)
			}
		})
	}
}
