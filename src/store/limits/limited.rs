use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::ObjectStore;

use super::gate::{Gate, Lane, Turn};
use super::objects::LimitedObjects;
use crate::store::backend::{Backend, ByteStream, Commit, Condition, Staged};
use crate::store::{Attributes, Meta, Pin, StoreError, Walked};

/// Where requests and their bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Counted {
    /// Where they go out, tries anew and parts included.
    OnTheWire,
    /// Here, by what is asked: there is no wire.
    ByCall,
}

/// A store that is asked for no more than its gate lets through.
pub(in crate::store) struct Limited {
    inner: Arc<dyn Backend>,
    gate: Arc<Gate>,
    counted: Counted,
}

impl Limited {
    pub(in crate::store) fn new(
        inner: Arc<dyn Backend>,
        gate: Arc<Gate>,
        counted: Counted,
    ) -> Self {
        Self { inner, gate, counted }
    }

    /// The turn of one call, which brings so many bytes.
    async fn ask(&self, key: &str, bytes: u64) -> Option<Turn> {
        if self.counted == Counted::OnTheWire {
            return None;
        }
        let lane = Lane::of(key);
        let turn = self.gate.ask(lane).await;
        self.gate.pass(bytes, lane).await;
        Some(turn)
    }

    /// The bytes as they come, at the pace of the gate.
    fn paced(&self, key: &str, bytes: ByteStream) -> ByteStream {
        if self.counted == Counted::OnTheWire {
            return bytes;
        }
        let (gate, lane) = (self.gate.clone(), Lane::of(key));
        let paced = bytes.then(move |part| {
            let gate = gate.clone();
            async move {
                if let Ok(part) = &part {
                    gate.pass(part.len() as u64, lane).await;
                }
                part
            }
        });
        paced.boxed()
    }
}

#[async_trait]
impl Backend for Limited {
    fn can_hold(&self, key: &str) -> Result<(), StoreError> {
        self.inner.can_hold(key)
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        match self.counted {
            Counted::OnTheWire => self.inner.objects(),
            Counted::ByCall => {
                Arc::new(LimitedObjects::new(self.inner.objects(), self.gate.clone()))
            }
        }
    }

    fn local_root(&self) -> Option<&Path> {
        self.inner.local_root()
    }

    fn in_memory(&self, size: u64) -> u64 {
        self.inner.in_memory(size)
    }

    fn walk(
        &self,
        prefix: &str,
        skip: Vec<String>,
    ) -> BoxStream<'static, Result<Walked, StoreError>> {
        let walk = self.inner.walk(prefix, skip);
        if self.counted == Counted::OnTheWire {
            return walk;
        }
        let (gate, lane) = (self.gate.clone(), Lane::of(prefix));
        let asked = async move { drop(gate.ask(lane).await) };
        asked.map(move |()| walk).flatten_stream().boxed()
    }

    async fn head(&self, key: &str) -> Result<Option<Meta>, StoreError> {
        let _turn = self.ask(key, 0).await;
        self.inner.head(key).await
    }

    async fn open(
        &self,
        key: &str,
        pin: Option<&Pin>,
    ) -> Result<Option<(Meta, ByteStream)>, StoreError> {
        let _turn = self.ask(key, 0).await;
        let found = self.inner.open(key, pin).await?;
        Ok(found.map(|(meta, bytes)| (meta, self.paced(key, bytes))))
    }

    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition,
    ) -> Result<Commit, StoreError> {
        let size = bytes.len() as u64;
        let _carried = self.gate.carry(size, Lane::of(key)).await;
        let _turn = self.ask(key, size).await;
        self.inner.put(key, bytes, condition).await
    }

    async fn stage(
        &self,
        key: &str,
        size: u64,
        attributes: &Attributes,
    ) -> Result<Box<dyn Staged>, StoreError> {
        let carried = self.gate.carry(self.inner.in_memory(size), Lane::of(key)).await;
        let turn = self.ask(key, 0).await;
        let inner = self.inner.stage(key, size, attributes).await?;
        drop(turn);
        let (gate, counted, lane) = (self.gate.clone(), self.counted, Lane::of(key));
        Ok(Box::new(LimitedStaged { inner, gate, counted, lane, _carried: carried }))
    }

    async fn delete(&self, key: &str) -> Result<bool, StoreError> {
        let _turn = self.ask(key, 0).await;
        self.inner.delete(key).await
    }
}

/// An object that is being written; its bytes are in flight until it is done or gone.
struct LimitedStaged {
    inner: Box<dyn Staged>,
    gate: Arc<Gate>,
    counted: Counted,
    lane: Lane,
    _carried: Turn,
}

#[async_trait]
impl Staged for LimitedStaged {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.counted == Counted::ByCall {
            self.gate.pass(bytes.len() as u64, self.lane).await;
        }
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>, condition: Condition) -> Result<Commit, StoreError> {
        self.inner.commit(condition).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.abort().await
    }
}
