import time,sys
t0=time.perf_counter()
def p(x): print(f"{time.perf_counter()-t0:.2f}",x,file=sys.stderr,flush=True)
import alula as om; p("import")
om.jobs; p("jobs")
j=om.runtime.job('one'); p("job")
r=j.run(); p("submitted")
r.get(); p("got")
import atexit
atexit.register(lambda: p("exit begins"))
